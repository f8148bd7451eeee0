// SPDX-License-Identifier: Apache-2.0
//
// Whoever reads the stream takes the server's commands in; what answers them goes
// out with the next read or write, from `telnet.answers`, never inside of data that
// another thread sends. All of it is guarded by `lock`, but for the reading itself.
#include "console/telnet_stream.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/wait.h"
#include "console/rfc2217.h"
#include "console/socket.h"
#include "console/telnet.h"

// Encoded at a time.
#define WRITE_SIZE 2048
// How long a command of an open console may take.
#define ANSWER_S 5.0
// How long a writer waits for a server that has suspended it, before it looks up.
#define SUSPENDED_S 0.05

struct telnet_stream {
    struct jf_stream stream; // its descriptor is that of `socket`
    struct jf_stream *socket;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct jf_telnet telnet;
    struct jf_buf early; // what came while the line was set up
    bool is_suspended;   // the server takes no data now
    bool has_ended;      // no answer will come any more
    uint8_t awaited;     // number of the answer that is waited for; 0: none
    bool has_answer;
    uint32_t answer;
    bool has_modem; // the server has told the modem lines
    uint32_t modem;
};

static void take_sub(void *context, uint8_t option, const uint8_t *bytes, size_t len) {
    struct telnet_stream *self = context;
    struct jf_rfc2217_request request;
    if (option != JF_TELNET_COM_PORT || !jf_rfc2217_decode(bytes, len, &request))
        return;
    if (request.command == JF_RFC2217_FLOWCONTROL_SUSPEND + JF_RFC2217_ANSWER)
        self->is_suspended = true;
    else if (request.command == JF_RFC2217_FLOWCONTROL_RESUME + JF_RFC2217_ANSWER)
        self->is_suspended = false;
    else if (request.command == JF_RFC2217_NOTIFY_MODEMSTATE + JF_RFC2217_ANSWER) {
        self->has_modem = true;
        self->modem = request.value;
    } else if (request.command == self->awaited) {
        self->has_answer = true;
        self->answer = request.value;
    }
}

// Sends what is due. The caller holds the lock. A failure shows at the next read.
static bool flush(struct telnet_stream *self) {
    struct jf_buf *answers = &self->telnet.answers;
    while (answers->len > 0) {
        ssize_t put = self->socket->type->write(self->socket, answers->data, answers->len);
        if (put <= 0)
            return false;
        jf_buf_drop(answers, (size_t)put);
    }
    return true;
}

static enum jf_code take_in(struct telnet_stream *self, void *bytes, size_t len, size_t *ret_len,
                            struct jf_error *err) {
    size_t got = 0;
    enum jf_code code = jf_stream_read_fd(self->stream.fd, bytes, len, &got, err);
    pthread_mutex_lock(&self->lock);
    *ret_len = jf_telnet_take(&self->telnet, bytes, got);
    self->has_ended = self->has_ended || code != JF_OK;
    flush(self);
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    return code;
}

static enum jf_code telnet_read(struct jf_stream *stream, void *bytes, size_t len, size_t *ret_len,
                                struct jf_error *err) {
    struct telnet_stream *self = (struct telnet_stream *)stream;
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

// The caller holds the lock, which is let go meanwhile.
static void wait_for_change(struct telnet_stream *self, double seconds) {
    struct timespec until = moment(jf_deadline_in(seconds));
    pthread_cond_clockwait(&self->changed, &self->lock, CLOCK_MONOTONIC, &until);
}

// Encodes what fits; returns the number of bytes of `bytes` that are in it.
static size_t encode(const struct telnet_stream *self, const uint8_t *bytes, size_t len,
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
static size_t count_sent(struct telnet_stream *self, const uint8_t *bytes, size_t used, size_t put,
                         const uint8_t *encoded) {
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

static ssize_t write_data(struct telnet_stream *self, const uint8_t *bytes, size_t len) {
    uint8_t encoded[WRITE_SIZE];
    size_t size;
    if (self->is_suspended)
        wait_for_change(self, SUSPENDED_S);
    if (self->is_suspended || !flush(self)) {
        errno = EAGAIN;
        return -1;
    }
    size_t used = encode(self, bytes, len, encoded, &size);
    ssize_t put = self->socket->type->write(self->socket, encoded, size);
    return put > 0 ? (ssize_t)count_sent(self, bytes, used, (size_t)put, encoded) : put;
}

static ssize_t telnet_write(struct jf_stream *stream, const void *bytes, size_t len) {
    struct telnet_stream *self = (struct telnet_stream *)stream;
    pthread_mutex_lock(&self->lock);
    ssize_t put = write_data(self, bytes, len);
    int sys_errno = errno;
    pthread_mutex_unlock(&self->lock);
    errno = sys_errno;
    return put;
}

static void telnet_close(struct jf_stream *stream) {
    struct telnet_stream *self = (struct telnet_stream *)stream;
    jf_stream_close(self->socket);
    jf_telnet_free(&self->telnet);
    jf_buf_free(&self->early);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

static void begin_request(struct telnet_stream *self, struct jf_rfc2217_request request) {
    uint8_t bytes[JF_RFC2217_MAX];
    size_t len = jf_rfc2217_encode(request, bytes);
    pthread_mutex_lock(&self->lock);
    self->awaited = (uint8_t)(request.command + JF_RFC2217_ANSWER);
    self->has_answer = false;
    jf_telnet_add_sub(&self->telnet, JF_TELNET_COM_PORT, bytes, len);
    flush(self);
    pthread_mutex_unlock(&self->lock);
}

static enum jf_code no_answer(enum jf_code code, struct jf_rfc2217_request request,
                              struct jf_error *err) {
    struct jf_buf asked = {0};
    jf_rfc2217_describe(request, &asked);
    const char *what = asked.data ? asked.data : "";
    if (code == JF_TIMEOUT)
        jf_fail(err, code, "RFC 2217: %s: timeout, the server does not answer", what);
    else if (err)
        jf_prefix(err, "RFC 2217: %s", what);
    jf_buf_free(&asked);
    return code;
}

// While nobody else reads: reads once, when there is something.
static enum jf_code pump(struct telnet_stream *self, jf_deadline deadline,
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

static enum jf_code request_while_opening(struct telnet_stream *self,
                                          struct jf_rfc2217_request request, jf_deadline deadline,
                                          const struct jf_cancel *cancel, struct jf_error *err) {
    enum jf_code code = JF_OK;
    begin_request(self, request);
    while (code == JF_OK && !self->has_answer)
        code = pump(self, deadline, cancel, err);
    return code == JF_OK ? jf_rfc2217_check(request, self->answer, err)
                         : no_answer(code, request, err);
}

// While the console's thread reads.
static enum jf_code request_while_open(struct telnet_stream *self,
                                       struct jf_rfc2217_request request, struct jf_error *err) {
    jf_deadline deadline = jf_deadline_in(ANSWER_S);
    begin_request(self, request);
    pthread_mutex_lock(&self->lock);
    while (!self->has_answer && !self->has_ended && jf_deadline_left_ns(deadline) > 0)
        wait_for_change(self, SUSPENDED_S);
    enum jf_code code = JF_OK;
    if (self->has_answer)
        code = jf_rfc2217_check(request, self->answer, err);
    else if (self->has_ended)
        code = jf_fail(err, JF_CLOSED, "the other side hung up");
    else
        code = no_answer(JF_TIMEOUT, request, err);
    pthread_mutex_unlock(&self->lock);
    return code;
}

static enum jf_code rfc2217_set_break(struct jf_stream *stream, bool on, struct jf_error *err) {
    struct jf_rfc2217_request request = {JF_RFC2217_SET_CONTROL,
                                         on ? JF_RFC2217_BREAK_ON : JF_RFC2217_BREAK_OFF};
    return request_while_open((struct telnet_stream *)stream, request, err);
}

// Confirms the requests of an open line one by one.
static enum jf_code rfc2217_set_line(struct jf_stream *stream, const struct jf_line *line,
                                     struct jf_error *err) {
    struct jf_rfc2217_request requests[JF_RFC2217_LINE_REQUESTS];
    enum jf_code code = JF_OK;
    jf_rfc2217_line(line, requests);
    for (size_t i = 0; i < JF_RFC2217_LINE_REQUESTS && code == JF_OK; i++)
        code = request_while_open((struct telnet_stream *)stream, requests[i], err);
    return code;
}

static struct jf_rfc2217_request control(enum jf_rfc2217_control value) {
    return (struct jf_rfc2217_request){JF_RFC2217_SET_CONTROL, value};
}

static struct jf_rfc2217_request dtr_request(bool on) {
    return control(on ? JF_RFC2217_DTR_ON : JF_RFC2217_DTR_OFF);
}

static struct jf_rfc2217_request rts_request(bool on) {
    return control(on ? JF_RFC2217_RTS_ON : JF_RFC2217_RTS_OFF);
}

static enum jf_code rfc2217_set_modem(struct jf_stream *stream, unsigned mask, unsigned values,
                                      struct jf_error *err) {
    struct telnet_stream *self = (struct telnet_stream *)stream;
    enum jf_code code = JF_OK;
    if (mask & JF_MODEM_DTR)
        code = request_while_open(self, dtr_request(values & JF_MODEM_DTR), err);
    if (code == JF_OK && (mask & JF_MODEM_RTS))
        code = request_while_open(self, rts_request(values & JF_MODEM_RTS), err);
    return code;
}

// The server tells changes by itself, and at first what is so.
static enum jf_code rfc2217_get_modem(struct jf_stream *stream, unsigned *ret_lines,
                                      struct jf_error *err) {
    struct telnet_stream *self = (struct telnet_stream *)stream;
    pthread_mutex_lock(&self->lock);
    bool has_modem = self->has_modem;
    *ret_lines = jf_rfc2217_modem(self->modem);
    pthread_mutex_unlock(&self->lock);
    return has_modem ? JF_OK
                     : jf_fail(err, JF_UNSUPPORTED, "the server has not told the modem lines");
}

static const struct jf_stream_type telnet_type = {
    .read = telnet_read,
    .write = telnet_write,
    .close = telnet_close,
};

static const struct jf_stream_type rfc2217_type = {
    .read = telnet_read,
    .write = telnet_write,
    .set_break = rfc2217_set_break,
    .set_modem = rfc2217_set_modem,
    .get_modem = rfc2217_get_modem,
    .set_line = rfc2217_set_line,
    .close = telnet_close,
};

static enum jf_code connect_telnet(const char *where, const struct jf_stream_type *type,
                                   jf_deadline deadline, const struct jf_cancel *cancel,
                                   struct telnet_stream **ret_self, struct jf_error *err) {
    struct jf_stream *socket = NULL;
    enum jf_code code = jf_tcp_open(where, deadline, cancel, &socket, err);
    if (code != JF_OK)
        return code;
    struct telnet_stream *self = calloc(1, sizeof *self);
    if (!self) {
        jf_stream_close(socket);
        jf_fail(err, JF_LIMIT, "not enough memory");
        return JF_LIMIT;
    }
    self->stream = (struct jf_stream){type, socket->fd};
    self->socket = socket;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->telnet.on_sub = take_sub;
    self->telnet.context = self;
    if (!jf_telnet_start(&self->telnet, type == &rfc2217_type)) {
        telnet_close(&self->stream);
        jf_fail(err, JF_LIMIT, "not enough memory");
        return JF_LIMIT;
    }
    flush(self);
    *ret_self = self;
    return JF_OK;
}

enum jf_code jf_telnet_open(const char *where, jf_deadline deadline, const struct jf_cancel *cancel,
                            struct jf_stream **ret_stream, struct jf_error *err) {
    struct telnet_stream *self = NULL;
    enum jf_code code = connect_telnet(where, &telnet_type, deadline, cancel, &self, err);
    if (code == JF_OK && self)
        *ret_stream = &self->stream;
    return code;
}

static enum jf_code await_com_port(struct telnet_stream *self, jf_deadline deadline,
                                   const struct jf_cancel *cancel, struct jf_error *err) {
    while (!jf_telnet_is_ours(&self->telnet, JF_TELNET_COM_PORT)) {
        if (jf_telnet_is_declined(&self->telnet, JF_TELNET_COM_PORT))
            return jf_fail(err, JF_UNSUPPORTED,
                           "the server speaks telnet without RFC 2217; in ser2net the accepter "
                           "is telnet(rfc2217),tcp,PORT");
        enum jf_code code = pump(self, deadline, cancel, err);
        if (code == JF_TIMEOUT)
            return jf_fail(err, code,
                           "timeout, the server does not agree to RFC 2217; is it a raw "
                           "port (tcp:HOST:PORT)?");
        if (code != JF_OK)
            return code;
    }
    return JF_OK;
}

static enum jf_code set_up(struct telnet_stream *self, const struct jf_line *line,
                           jf_deadline deadline, const struct jf_cancel *cancel,
                           struct jf_error *err) {
    struct jf_rfc2217_request requests[JF_RFC2217_LINE_REQUESTS + 2];
    size_t count = JF_RFC2217_LINE_REQUESTS;
    enum jf_code code = await_com_port(self, deadline, cancel, err);
    jf_rfc2217_line(line, requests);
    if (line->dtr != JF_SIGNAL_LEAVE)
        requests[count++] = dtr_request(line->dtr == JF_SIGNAL_ON);
    if (line->rts != JF_SIGNAL_LEAVE)
        requests[count++] = rts_request(line->rts == JF_SIGNAL_ON);
    for (size_t i = 0; i < count && code == JF_OK; i++)
        code = request_while_opening(self, requests[i], deadline, cancel, err);
    return code;
}

enum jf_code jf_rfc2217_open(const char *where, const struct jf_line *line, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_stream **ret_stream,
                             struct jf_error *err) {
    struct telnet_stream *self = NULL;
    enum jf_code code = connect_telnet(where, &rfc2217_type, deadline, cancel, &self, err);
    if (code != JF_OK || !self)
        return code;
    code = set_up(self, line, deadline, cancel, err);
    if (code == JF_OK)
        *ret_stream = &self->stream;
    else
        telnet_close(&self->stream);
    return code;
}
