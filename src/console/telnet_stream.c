// SPDX-License-Identifier: Apache-2.0
#include "console/telnet_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/wait.h"
#include "console/socket.h"
#include "console/telnet_internal.h"

// Encoded at a time.
#define WRITE_SIZE 2048

bool jf_telnet_stream_flush(struct jf_telnet_stream *self) {
    struct jf_buf *answers = &self->telnet.answers;
    while (answers->len > 0) {
        ssize_t put = self->socket->type->write(self->socket, answers->data, answers->len);
        if (put <= 0)
            return false;
        jf_buf_drop(answers, (size_t)put);
    }
    return true;
}

static enum jf_code take_in(struct jf_telnet_stream *self, void *bytes, size_t len, size_t *ret_len,
                            struct jf_error *err) {
    size_t got = 0;
    enum jf_code code = jf_stream_read_fd(self->stream.fd, bytes, len, &got, err);
    pthread_mutex_lock(&self->lock);
    *ret_len = jf_telnet_take(&self->telnet, bytes, got);
    self->has_ended = self->has_ended || code != JF_OK;
    jf_telnet_stream_flush(self);
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    return code;
}

enum jf_code jf_telnet_stream_read(struct jf_stream *stream, void *bytes, size_t len,
                                   size_t *ret_len, struct jf_error *err) {
    struct jf_telnet_stream *self = (struct jf_telnet_stream *)stream;
    if (self->early.len == 0)
        return take_in(self, bytes, len, ret_len, err);
    *ret_len = len < self->early.len ? len : self->early.len;
    memcpy(bytes, self->early.data, *ret_len);
    jf_buf_drop(&self->early, *ret_len);
    return JF_OK;
}

static struct timespec moment(jf_deadline deadline) {
    return (struct timespec){.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
}

void jf_telnet_stream_wait(struct jf_telnet_stream *self, double seconds) {
    struct timespec until = moment(jf_deadline_in(seconds));
    pthread_cond_clockwait(&self->changed, &self->lock, CLOCK_MONOTONIC, &until);
}

// Encodes what fits; returns the number of bytes of `bytes` that are in it.
static size_t encode(const struct jf_telnet_stream *self, const uint8_t *bytes, size_t len,
                     uint8_t out[WRITE_SIZE], size_t *ret_size) {
    size_t used = 0;
    size_t size = 0;
    for (; used < len && size + 2 <= WRITE_SIZE; used++)
        size += jf_telnet_encode(&self->telnet, bytes[used], used + 1 < len ? bytes[used + 1] : -1,
                                 out + size);
    *ret_size = size;
    return used;
}

// How many bytes of data the first `put` bytes of their encoding hold. Of a pair
// that was cut in two the second half is owed.
static size_t count_sent(struct jf_telnet_stream *self, const uint8_t *bytes, size_t used,
                         size_t put, const uint8_t *encoded) {
    uint8_t pair[2];
    size_t at = 0;
    for (size_t i = 0; i < used; i++) {
        if (at == put)
            return i;
        at += jf_telnet_encode(&self->telnet, bytes[i], i + 1 < used ? bytes[i + 1] : -1, pair);
        if (at > put) {
            jf_buf_add(&self->telnet.answers, &encoded[put], at - put);
            return i + 1;
        }
    }
    return used;
}

static ssize_t write_data(struct jf_telnet_stream *self, const uint8_t *bytes, size_t len) {
    uint8_t encoded[WRITE_SIZE];
    size_t size;
    if (self->is_suspended)
        jf_telnet_stream_wait(self, JF_TELNET_LOOK_UP_S);
    if (self->is_suspended || !jf_telnet_stream_flush(self)) {
        errno = EAGAIN;
        return -1;
    }
    size_t used = encode(self, bytes, len, encoded, &size);
    ssize_t put = self->socket->type->write(self->socket, encoded, size);
    return put > 0 ? (ssize_t)count_sent(self, bytes, used, (size_t)put, encoded) : put;
}

ssize_t jf_telnet_stream_write(struct jf_stream *stream, const void *bytes, size_t len) {
    struct jf_telnet_stream *self = (struct jf_telnet_stream *)stream;
    pthread_mutex_lock(&self->lock);
    ssize_t put = write_data(self, bytes, len);
    int sys_errno = errno;
    pthread_mutex_unlock(&self->lock);
    errno = sys_errno;
    return put;
}

void jf_telnet_stream_close(struct jf_stream *stream) {
    struct jf_telnet_stream *self = (struct jf_telnet_stream *)stream;
    jf_stream_close(self->socket);
    jf_telnet_free(&self->telnet);
    jf_buf_free(&self->early);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

enum jf_code jf_telnet_stream_pump(struct jf_telnet_stream *self, jf_deadline deadline,
                                   const struct jf_cancel *cancel, struct jf_error *err) {
    char bytes[4096];
    size_t len = 0;
    enum jf_code code = jf_wait_fd(self->stream.fd, POLLIN, deadline, cancel, err);
    if (code == JF_OK)
        code = take_in(self, bytes, sizeof bytes, &len, err);
    if (code == JF_OK && !jf_buf_add(&self->early, bytes, len))
        code = jf_fail(err, JF_LIMIT, "not enough memory");
    return code;
}

static const struct jf_stream_type telnet_type = {
    .read = jf_telnet_stream_read,
    .write = jf_telnet_stream_write,
    .close = jf_telnet_stream_close,
};

enum jf_code jf_telnet_stream_connect(const char *where, const struct jf_stream_type *type,
                                      void (*on_sub)(void *self, uint8_t option,
                                                     const uint8_t *bytes, size_t len),
                                      jf_deadline deadline, const struct jf_cancel *cancel,
                                      struct jf_telnet_stream **ret_self, struct jf_error *err) {
    struct jf_stream *socket = NULL;
    enum jf_code code = jf_tcp_open(where, deadline, cancel, &socket, err);
    if (code != JF_OK)
        return code;
    struct jf_telnet_stream *self = calloc(1, sizeof *self);
    if (!self) {
        jf_stream_close(socket);
        jf_fail(err, JF_LIMIT, "not enough memory");
        return JF_LIMIT;
    }
    self->stream = (struct jf_stream){type, socket->fd};
    self->socket = socket;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->telnet.on_sub = on_sub;
    self->telnet.context = self;
    if (!jf_telnet_start(&self->telnet, on_sub != NULL)) {
        jf_telnet_stream_close(&self->stream);
        jf_fail(err, JF_LIMIT, "not enough memory");
        return JF_LIMIT;
    }
    jf_telnet_stream_flush(self);
    *ret_self = self;
    return JF_OK;
}

enum jf_code jf_telnet_open(const char *where, jf_deadline deadline, const struct jf_cancel *cancel,
                            struct jf_stream **ret_stream, struct jf_error *err) {
    struct jf_telnet_stream *self = NULL;
    enum jf_code code =
        jf_telnet_stream_connect(where, &telnet_type, NULL, deadline, cancel, &self, err);
    if (code == JF_OK && self)
        *ret_stream = &self->stream;
    return code;
}
