// SPDX-License-Identifier: Apache-2.0
#include "sys/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/wait.h"
#include "sys/fd.h"

#define CHUNK ((size_t)256 * 1024)

// One piece: *ret_len is 0 at the end of file.
static enum jf_code copy_piece(int from, int to, char *chunk, const struct jf_cancel *cancel,
                               size_t *ret_len, struct jf_error *err) {
    enum jf_code code = jf_wait_fd(from, POLLIN, JF_NEVER, cancel, err);
    if (code != JF_OK)
        return code;
    ssize_t got = read(from, chunk, CHUNK);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        *ret_len = 1; // try again
        return JF_OK;
    }
    if (got < 0)
        return jf_fail_errno(err, errno, "standard input: read");
    *ret_len = (size_t)got;
    return jf_fd_write(to, chunk, (size_t)got, JF_NEVER, cancel, err);
}

static enum jf_code copy_all(int from, int to, const struct jf_cancel *cancel, uint64_t *ret_bytes,
                             struct jf_error *err) {
    char *chunk = malloc(CHUNK);
    if (!chunk)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    enum jf_code code = JF_OK;
    size_t len = 1;
    while (code == JF_OK && len > 0)
        code = copy_piece(from, to, chunk, cancel, &len, err);
    off_t size = lseek(to, 0, SEEK_END);
    *ret_bytes = size > 0 ? (uint64_t)size : 0;
    free(chunk);
    return code;
}

enum jf_code jf_spool(int fd, const char *path, const struct jf_cancel *cancel, uint64_t *ret_bytes,
                      struct jf_error *err) {
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return jf_fail_errno(err, errno, "%s: open", path);
    enum jf_code code = copy_all(fd, to, cancel, ret_bytes, err);
    if (code == JF_OK)
        code = close(to) == 0 ? JF_OK : jf_fail_errno(err, errno, "%s: close", path);
    else
        close(to);
    if (code != JF_OK) {
        jf_prefix(err, "%s", path);
        unlink(path);
    }
    return code;
}
