// SPDX-License-Identifier: Apache-2.0
#include "console/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/wait.h"
#include "sys/resolve.h"

#define LONGEST_HOST 255
// A unix socket whose queue is full says so and cannot be polled.
#define RETRY_S 0.01

// Keep-alive: the first probe after 10 s of silence, three, 5 s apart. Data that
// nobody acknowledges counts as silence.
#define KEEP_IDLE_S 10
#define KEEP_INTERVAL_S 5
#define KEEP_COUNT 3
#define UNACKNOWLEDGED_MS 30000

static ssize_t socket_write(struct jf_stream *stream, const void *bytes, size_t len) {
    return send(stream->fd, bytes, len, MSG_NOSIGNAL);
}

static void socket_close(struct jf_stream *stream) {
    if (stream->fd >= 0)
        close(stream->fd);
    free(stream);
}

static const struct jf_stream_type socket_type = {
    .write = socket_write,
    .close = socket_close,
};

static struct jf_stream *new_stream(int family, struct jf_error *err) {
    struct jf_stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        jf_fail(err, JF_LIMIT, "not enough memory");
        return NULL;
    }
    stream->type = &socket_type;
    stream->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream->fd >= 0)
        return stream;
    jf_fail_errno(err, errno, "socket");
    free(stream);
    return NULL;
}

// Waits for a connection that is under way.
static enum jf_code finish_connect(int fd, jf_deadline deadline, const struct jf_cancel *cancel,
                                   struct jf_error *err) {
    enum jf_code code = jf_wait_fd(fd, POLLOUT, deadline, cancel, err);
    if (code != JF_OK) {
        if (err)
            jf_prefix(err, "connect");
        return code;
    }
    int sys_errno = 0;
    socklen_t size = sizeof sys_errno;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys_errno, &size) != 0)
        sys_errno = errno;
    return sys_errno ? jf_fail_errno(err, sys_errno, "connect") : JF_OK;
}

static enum jf_code connect_to(int fd, const struct sockaddr *address, socklen_t size,
                               jf_deadline deadline, const struct jf_cancel *cancel,
                               struct jf_error *err) {
    while (connect(fd, address, size) != 0) {
        if (errno == EINPROGRESS)
            return finish_connect(fd, deadline, cancel, err);
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return jf_fail_errno(err, errno, "connect");
        if (jf_deadline_left_ns(deadline) == 0)
            return jf_fail(err, JF_TIMEOUT, "connect: timeout");
        jf_deadline retry = jf_deadline_min(deadline, jf_deadline_in(RETRY_S));
        enum jf_code code = jf_sleep_until(retry, cancel, err);
        if (code != JF_OK)
            return code;
    }
    return JF_OK;
}

enum jf_code jf_unix_open(const char *path, jf_deadline deadline, const struct jf_cancel *cancel,
                          struct jf_stream **ret_stream, struct jf_error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path) + 1;
    if (size > sizeof address.sun_path)
        return jf_fail(err, JF_LIMIT, "a socket's path has at most %zu bytes",
                       sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, size);
    struct jf_error reason;
    struct jf_stream *stream = new_stream(AF_UNIX, &reason);
    enum jf_code code = stream ? connect_to(stream->fd, (struct sockaddr *)&address, sizeof address,
                                            deadline, cancel, &reason)
                               : reason.code;
    if (code == JF_OK)
        *ret_stream = stream;
    else
        jf_stream_close(stream);
    if (code != JF_OK && err)
        *err = reason;
    return code;
}

// Failures here cost comfort, not the connection.
static void tune_tcp(int fd) {
    const struct option {
        int level;
        int name;
        int value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

static enum jf_code split(const char *where, char host[LONGEST_HOST + 1], uint16_t *ret_port,
                          struct jf_error *err) {
    const char *colon = strrchr(where, ':');
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : 0;
    size_t len = colon ? (size_t)(colon - where) : 0;
    if (len == 0 || len > LONGEST_HOST || *end || port < 1 || port > UINT16_MAX)
        return jf_fail(err, JF_PROTOCOL, "HOST:PORT expected, got \"%.100s\"", where);
    memcpy(host, where, len);
    host[len] = '\0';
    *ret_port = (uint16_t)port;
    return JF_OK;
}

enum jf_code jf_tcp_open(const char *where, jf_deadline deadline, const struct jf_cancel *cancel,
                         struct jf_stream **ret_stream, struct jf_error *err) {
    char host[LONGEST_HOST + 1];
    uint16_t port = 0;
    struct sockaddr_in address;
    struct jf_error reason;
    struct jf_stream *stream = NULL;
    enum jf_code code = split(where, host, &port, &reason);
    if (code == JF_OK)
        code = jf_resolve(host, port, deadline, cancel, &address, &reason);
    if (code == JF_OK) {
        stream = new_stream(AF_INET, &reason);
        code = stream ? JF_OK : reason.code;
    }
    if (code == JF_OK) {
        tune_tcp(stream->fd);
        code = connect_to(stream->fd, (struct sockaddr *)&address, sizeof address, deadline, cancel,
                          &reason);
    }
    if (code == JF_OK)
        *ret_stream = stream;
    else
        jf_stream_close(stream);
    if (code != JF_OK && err)
        *err = reason;
    return code;
}
