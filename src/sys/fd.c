// SPDX-License-Identifier: Apache-2.0
#include "sys/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/wait.h"

#define READ_CHUNK 65536
// A pipe that polls as writable takes this much without blocking (PIPE_BUF).
#define WRITE_CHUNK 4096
#define LINE_LIMIT 65536

void jf_fd_close(int *fd) {
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}

// Moves a descriptor out of 0 to 2, which are free when we were started with
// them closed: a child's stdio is set up by dup2 onto those.
static int above_stdio(int fd) {
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    jf_fd_close(&fd);
    return moved;
}

enum jf_code jf_fd_pipe(int ret_ends[2], struct jf_error *err) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return jf_fail_errno(err, errno, "pipe");
    ends[0] = above_stdio(ends[0]);
    ends[1] = above_stdio(ends[1]);
    if (ends[0] < 0 || ends[1] < 0) {
        enum jf_code code = jf_fail_errno(err, errno, "pipe");
        jf_fd_close(&ends[0]);
        jf_fd_close(&ends[1]);
        return code;
    }
    ret_ends[0] = ends[0];
    ret_ends[1] = ends[1];
    return JF_OK;
}

enum jf_code jf_fd_set_nonblocking(int fd, struct jf_error *err) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return jf_fail_errno(err, errno, "descriptor %d: non-blocking mode", fd);
    return JF_OK;
}

static enum jf_code wait_writable(int fd, jf_deadline deadline, const struct jf_cancel *cancel,
                                  struct jf_error *err) {
    enum jf_code code = jf_wait_fd(fd, POLLOUT, jf_now_ns(), NULL, err);
    return code == JF_TIMEOUT ? jf_wait_fd(fd, POLLOUT, deadline, cancel, err) : code;
}

enum jf_code jf_fd_write(int fd, const void *bytes, size_t len, jf_deadline deadline,
                         const struct jf_cancel *cancel, struct jf_error *err) {
    const char *next = bytes;
    while (len > 0) {
        enum jf_code code = wait_writable(fd, deadline, cancel, err);
        if (code != JF_OK)
            return code;
        ssize_t done = write(fd, next, len < WRITE_CHUNK ? len : WRITE_CHUNK);
        if (done < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (done < 0 && errno == EPIPE)
            return jf_fail(err, JF_CLOSED, "the reader has gone");
        if (done < 0)
            return jf_fail_errno(err, errno, "write");
        next += done;
        len -= (size_t)done;
    }
    return JF_OK;
}

// Reads once, waiting as needed; *ret_len is 0 at the end of file.
static enum jf_code read_some(int fd, void *bytes, size_t len, jf_deadline deadline,
                              const struct jf_cancel *cancel, size_t *ret_len,
                              struct jf_error *err) {
    for (;;) {
        enum jf_code code = jf_wait_fd(fd, POLLIN, deadline, cancel, err);
        if (code != JF_OK)
            return code;
        ssize_t got = read(fd, bytes, len);
        if (got >= 0) {
            *ret_len = (size_t)got;
            return JF_OK;
        }
        // A terminal whose other side was closed says EIO: its end of file.
        if (errno == EIO && isatty(fd)) {
            *ret_len = 0;
            return JF_OK;
        }
        if (errno != EAGAIN && errno != EINTR)
            return jf_fail_errno(err, errno, "read");
    }
}

enum jf_code jf_fd_read_all(int fd, size_t limit, jf_deadline deadline,
                            const struct jf_cancel *cancel, struct jf_buf *out,
                            struct jf_error *err) {
    size_t start = out->len;
    for (;;) {
        char *room = jf_buf_reserve(out, READ_CHUNK);
        if (!room)
            return jf_fail(err, JF_LIMIT, "not enough memory");
        size_t got = 0;
        enum jf_code code = read_some(fd, room, READ_CHUNK, deadline, cancel, &got, err);
        if (code != JF_OK)
            return code;
        out->len += got;
        out->data[out->len] = '\0';
        if (got == 0)
            return JF_OK;
        if (out->len - start > limit)
            return jf_fail(err, JF_LIMIT, "larger than the limit of %zu bytes", limit);
    }
}

enum jf_code jf_fd_read_line(int fd, jf_deadline deadline, const struct jf_cancel *cancel,
                             struct jf_buf *line, struct jf_error *err) {
    size_t start = line->len;
    for (;;) {
        // Byte by byte: what is behind the line belongs to the next reader.
        char byte;
        size_t got = 0;
        enum jf_code code = read_some(fd, &byte, 1, deadline, cancel, &got, err);
        if (code != JF_OK)
            return code;
        if (got == 0 && line->len == start)
            return jf_fail(err, JF_CLOSED, "end of file");
        if (got == 0 || byte == '\n')
            return jf_buf_add(line, "", 0) ? JF_OK : jf_fail(err, JF_LIMIT, "not enough memory");
        if (line->len - start >= LINE_LIMIT)
            return jf_fail(err, JF_LIMIT, "line longer than %d bytes", LINE_LIMIT);
        if (!jf_buf_add(line, &byte, 1))
            return jf_fail(err, JF_LIMIT, "not enough memory");
    }
}
