// SPDX-License-Identifier: Apache-2.0
#include "sys/local.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/wait.h"
#include "sys/fd.h"

#define READ_CHUNK 4096
#define LINE_LIMIT (1 << 20)
#define RETRY_S 0.02

// A unix socket connects at once or not at all; EAGAIN means that the listener's
// queue is full, which cannot be polled.
static enum jf_code connect_fd(int fd, const struct sockaddr_un *address, jf_deadline deadline,
                               const struct jf_cancel *cancel, struct jf_error *err) {
    while (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0) {
        if (errno != EAGAIN && errno != EINTR)
            return jf_fail_errno(err, errno, "connect");
        if (jf_deadline_left_ns(deadline) == 0)
            return jf_fail(err, JF_TIMEOUT, "connect: timeout: its queue is full");
        jf_deadline next = jf_deadline_min(deadline, jf_deadline_in(RETRY_S));
        enum jf_code code = jf_sleep_until(next, cancel, err);
        if (code != JF_OK)
            return code;
    }
    return JF_OK;
}

enum jf_code jf_local_connect(const char *path, jf_deadline deadline,
                              const struct jf_cancel *cancel, struct jf_local *ret_local,
                              struct jf_error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof address.sun_path)
        return jf_fail(err, JF_LIMIT, "%s: a socket's path has at most %zu bytes, this one %zu",
                       path, sizeof address.sun_path - 1, len);
    memcpy(address.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return jf_fail_errno(err, errno, "%s: socket", path);
    enum jf_code code = connect_fd(fd, &address, deadline, cancel, err);
    if (code != JF_OK) {
        jf_fd_close(&fd);
        return jf_prefix(err, "%s", path);
    }
    *ret_local = (struct jf_local){.fd = fd};
    return JF_OK;
}

void jf_local_close(struct jf_local *local) {
    jf_fd_close(&local->fd);
    jf_buf_free(&local->pending);
}

enum jf_code jf_local_peer(const struct jf_local *local, pid_t *ret_pid, uid_t *ret_uid,
                           struct jf_error *err) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(local->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return jf_fail_errno(err, errno, "peer of a socket");
    *ret_pid = peer.pid;
    *ret_uid = peer.uid;
    return JF_OK;
}

static bool is_gone(int failed) {
    return failed == EPIPE || failed == ECONNRESET;
}

enum jf_code jf_local_send(struct jf_local *local, const void *bytes, size_t len,
                           jf_deadline deadline, const struct jf_cancel *cancel,
                           struct jf_error *err) {
    const char *next = bytes;
    while (len > 0) {
        enum jf_code code = jf_wait_fd(local->fd, POLLOUT, deadline, cancel, err);
        if (code != JF_OK)
            return code;
        ssize_t done = send(local->fd, next, len, MSG_NOSIGNAL);
        if (done < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (done < 0)
            return is_gone(errno) ? jf_fail(err, JF_CLOSED, "the peer has gone")
                                  : jf_fail_errno(err, errno, "send");
        next += done;
        len -= (size_t)done;
    }
    return JF_OK;
}

// Moves the first line of `pending` to `line`; false when there is none yet.
static bool take_line(struct jf_local *local, size_t scanned, struct jf_buf *line, bool *ret_ok) {
    if (local->pending.len == scanned)
        return false;
    char *start = local->pending.data;
    char *end = memchr(start + scanned, '\n', local->pending.len - scanned);
    if (!end)
        return false;
    size_t len = (size_t)(end - start);
    *ret_ok = jf_buf_add(line, start, len > 0 && start[len - 1] == '\r' ? len - 1 : len);
    jf_buf_drop(&local->pending, len + 1);
    return true;
}

static enum jf_code receive(struct jf_local *local, jf_deadline deadline,
                            const struct jf_cancel *cancel, struct jf_error *err) {
    enum jf_code code = jf_wait_fd(local->fd, POLLIN, deadline, cancel, err);
    if (code != JF_OK)
        return code;
    char *room = jf_buf_reserve(&local->pending, READ_CHUNK);
    if (!room)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    ssize_t got = recv(local->fd, room, READ_CHUNK, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return JF_OK;
    if (got == 0 || (got < 0 && is_gone(errno)))
        return jf_fail(err, JF_CLOSED, "the peer has gone");
    if (got < 0)
        return jf_fail_errno(err, errno, "receive");
    local->pending.len += (size_t)got;
    local->pending.data[local->pending.len] = '\0';
    return JF_OK;
}

enum jf_code jf_local_read_line(struct jf_local *local, jf_deadline deadline,
                                const struct jf_cancel *cancel, struct jf_buf *line,
                                struct jf_error *err) {
    size_t scanned = 0;
    bool ok = true;
    while (!take_line(local, scanned, line, &ok)) {
        scanned = local->pending.len;
        if (scanned > LINE_LIMIT)
            return jf_fail(err, JF_LIMIT, "line longer than %d bytes", LINE_LIMIT);
        enum jf_code code = receive(local, deadline, cancel, err);
        if (code != JF_OK)
            return code;
    }
    return ok ? JF_OK : jf_fail(err, JF_LIMIT, "not enough memory");
}
