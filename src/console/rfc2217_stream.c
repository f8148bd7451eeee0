// SPDX-License-Identifier: Apache-2.0
//
// RFC 2217 over a telnet stream: requests that the server confirms one by one.
#include <stdlib.h>
#include <string.h>

#include "console/rfc2217.h"
#include "console/telnet_internal.h"

// How long a command of an open console may take.
#define ANSWER_S 5.0
// How long a server may take that tells which lines it drives.
#define OUTPUTS_S 2.0
// How long a server may take to forget what it holds.
#define PURGE_S 1.0

static void take_sub(void *context, uint8_t option, const uint8_t *bytes, size_t len) {
    struct jf_telnet_stream *self = context;
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

static void begin_request(struct jf_telnet_stream *self, struct jf_rfc2217_request request) {
    uint8_t bytes[JF_RFC2217_MAX];
    size_t len = jf_rfc2217_encode(request, bytes);
    pthread_mutex_lock(&self->lock);
    self->awaited = (uint8_t)(request.command + JF_RFC2217_ANSWER);
    self->has_answer = false;
    jf_telnet_add_sub(&self->telnet, JF_TELNET_COM_PORT, bytes, len);
    jf_telnet_stream_flush(self);
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

// Whether its answer does not count.
static bool is_left_alone(const struct jf_telnet_stream *self, struct jf_rfc2217_request request) {
    return self->is_lax && request.command == JF_RFC2217_SET_CONTROL;
}

static enum jf_code request_while_opening(struct jf_telnet_stream *self,
                                          struct jf_rfc2217_request request, jf_deadline deadline,
                                          const struct jf_cancel *cancel, struct jf_error *err) {
    enum jf_code code = JF_OK;
    begin_request(self, request);
    if (is_left_alone(self, request))
        return JF_OK;
    while (code == JF_OK && !self->has_answer)
        code = jf_telnet_stream_pump(self, deadline, cancel, err);
    return code == JF_OK ? jf_rfc2217_check(request, self->answer, err)
                         : no_answer(code, request, err);
}

// While the console's thread reads: the server's answer.
static enum jf_code ask(struct jf_telnet_stream *self, struct jf_rfc2217_request request,
                        double seconds, uint32_t *ret_answer, const struct jf_cancel *cancel,
                        struct jf_error *err) {
    jf_deadline deadline = jf_deadline_in(seconds);
    begin_request(self, request);
    pthread_mutex_lock(&self->lock);
    enum jf_code code = JF_OK;
    while (code == JF_OK && !self->has_answer && !self->has_ended &&
           jf_deadline_left_ns(deadline) > 0) {
        jf_telnet_stream_wait(self, JF_TELNET_LOOK_UP_S);
        code = cancel ? jf_cancel_check(cancel, err) : JF_OK;
    }
    if (code != JF_OK)
        code = no_answer(code, request, err);
    else if (self->has_answer)
        *ret_answer = self->answer;
    else if (self->has_ended)
        code = jf_fail(err, JF_CLOSED, "the other side hung up");
    else
        code = no_answer(JF_TIMEOUT, request, err);
    pthread_mutex_unlock(&self->lock);
    return code;
}

static enum jf_code request_while_open(struct jf_telnet_stream *self,
                                       struct jf_rfc2217_request request,
                                       const struct jf_cancel *cancel, struct jf_error *err) {
    uint32_t answer = 0;
    if (is_left_alone(self, request)) {
        begin_request(self, request);
        return JF_OK;
    }
    enum jf_code code = ask(self, request, ANSWER_S, &answer, cancel, err);
    return code == JF_OK ? jf_rfc2217_check(request, answer, err) : code;
}

static enum jf_code rfc2217_set_break(struct jf_stream *stream, bool on,
                                      const struct jf_cancel *cancel, struct jf_error *err) {
    struct jf_rfc2217_request request = {JF_RFC2217_SET_CONTROL,
                                         on ? JF_RFC2217_BREAK_ON : JF_RFC2217_BREAK_OFF};
    return request_while_open((struct jf_telnet_stream *)stream, request, cancel, err);
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
                                      const struct jf_cancel *cancel, struct jf_error *err) {
    struct jf_telnet_stream *self = (struct jf_telnet_stream *)stream;
    enum jf_code code = JF_OK;
    if (mask & JF_MODEM_DTR)
        code = request_while_open(self, dtr_request(values & JF_MODEM_DTR), cancel, err);
    if (code == JF_OK && (mask & JF_MODEM_RTS))
        code = request_while_open(self, rts_request(values & JF_MODEM_RTS), cancel, err);
    return code;
}

// Whether the server drives a line now: SET-CONTROL with the value that asks. Not every
// server knows that.
static enum jf_code get_output(struct jf_telnet_stream *self, enum jf_rfc2217_control question,
                               unsigned line, struct jf_modem_state *state,
                               const struct jf_cancel *cancel, struct jf_error *err) {
    struct jf_error ignored;
    uint32_t answer = 0;
    if (self->hides_outputs)
        return JF_OK;
    enum jf_code code =
        ask(self, control(question), OUTPUTS_S, &answer, cancel, err ? err : &ignored);
    if (code == JF_TIMEOUT ||
        (code == JF_OK && !jf_rfc2217_output(question, answer, line, state))) {
        self->hides_outputs = true;
        return JF_OK;
    }
    return code;
}

// The server tells changes of what it reads by itself, and at first what is so.
static enum jf_code rfc2217_get_modem(struct jf_stream *stream, struct jf_modem_state *ret_state,
                                      const struct jf_cancel *cancel, struct jf_error *err) {
    struct jf_telnet_stream *self = (struct jf_telnet_stream *)stream;
    *ret_state = (struct jf_modem_state){0};
    enum jf_code code =
        get_output(self, JF_RFC2217_DTR_STATE, JF_MODEM_DTR, ret_state, cancel, err);
    if (code == JF_OK)
        code = get_output(self, JF_RFC2217_RTS_STATE, JF_MODEM_RTS, ret_state, cancel, err);
    pthread_mutex_lock(&self->lock);
    if (self->has_modem) {
        ret_state->known |= JF_MODEM_INPUTS;
        ret_state->raised |= jf_rfc2217_modem(self->modem);
    }
    pthread_mutex_unlock(&self->lock);
    if (code == JF_OK && ret_state->known == 0)
        return jf_fail(err, JF_UNSUPPORTED, "the server does not tell the modem lines");
    return code;
}

// Confirms the requests of an open line one by one.
static enum jf_code rfc2217_set_line(struct jf_stream *stream, const struct jf_line *line,
                                     const struct jf_cancel *cancel, struct jf_error *err) {
    struct jf_rfc2217_request requests[JF_RFC2217_LINE_REQUESTS];
    size_t count = 0;
    enum jf_code code = jf_rfc2217_line(line, requests, &count, err);
    for (size_t i = 0; i < count && code == JF_OK; i++)
        code = request_while_open((struct jf_telnet_stream *)stream, requests[i], cancel, err);
    return code;
}

// Behind its answer comes nothing that it held. A server that does not answer is not
// asked again.
static void rfc2217_purge(struct jf_stream *stream, const struct jf_cancel *cancel) {
    struct jf_telnet_stream *self = (struct jf_telnet_stream *)stream;
    struct jf_error ignored;
    uint32_t answer;
    if (self->cannot_purge)
        return;
    enum jf_code code =
        ask(self, (struct jf_rfc2217_request){JF_RFC2217_PURGE_DATA, JF_RFC2217_PURGE_RECEIVED},
            PURGE_S, &answer, cancel, &ignored);
    self->cannot_purge = code == JF_TIMEOUT;
}

static const struct jf_stream_type rfc2217_type = {
    .read = jf_telnet_stream_read,
    .write = jf_telnet_stream_write,
    .set_break = rfc2217_set_break,
    .set_modem = rfc2217_set_modem,
    .get_modem = rfc2217_get_modem,
    .set_line = rfc2217_set_line,
    .purge = rfc2217_purge,
    .close = jf_telnet_stream_close,
};

static enum jf_code await_com_port(struct jf_telnet_stream *self, jf_deadline deadline,
                                   const struct jf_cancel *cancel, struct jf_error *err) {
    while (!jf_telnet_is_ours(&self->telnet, JF_TELNET_COM_PORT)) {
        if (jf_telnet_is_declined(&self->telnet, JF_TELNET_COM_PORT))
            return jf_fail(err, JF_UNSUPPORTED,
                           "the server speaks telnet without RFC 2217; in ser2net the accepter "
                           "is telnet(rfc2217),tcp,PORT");
        enum jf_code code = jf_telnet_stream_pump(self, deadline, cancel, err);
        if (code == JF_TIMEOUT)
            return jf_fail(err, code,
                           "timeout, the server does not agree to RFC 2217; is it a raw "
                           "port (tcp:HOST:PORT)?");
        if (code != JF_OK)
            return code;
    }
    return JF_OK;
}

// The requests of an opening: the line's settings, then the lines to drive.
static enum jf_code opening_requests(const struct jf_line *line,
                                     struct jf_rfc2217_request out[JF_RFC2217_LINE_REQUESTS + 2],
                                     size_t *ret_count, struct jf_error *err) {
    size_t count = 0;
    enum jf_code code = jf_rfc2217_line(line, out, &count, err);
    if (line->dtr == JF_SIGNAL_ON || line->dtr == JF_SIGNAL_OFF)
        out[count++] = dtr_request(line->dtr == JF_SIGNAL_ON);
    if (line->rts == JF_SIGNAL_ON || line->rts == JF_SIGNAL_OFF)
        out[count++] = rts_request(line->rts == JF_SIGNAL_ON);
    *ret_count = count;
    return code;
}

static enum jf_code set_up(struct jf_telnet_stream *self, const struct jf_line *line,
                           jf_deadline deadline, const struct jf_cancel *cancel,
                           struct jf_error *err) {
    struct jf_rfc2217_request requests[JF_RFC2217_LINE_REQUESTS + 2];
    size_t count = 0;
    enum jf_code code = opening_requests(line, requests, &count, err);
    if (code == JF_OK)
        code = await_com_port(self, deadline, cancel, err);
    for (size_t i = 0; i < count && code == JF_OK; i++)
        code = request_while_opening(self, requests[i], deadline, cancel, err);
    return code;
}

// HOST:PORT of `where`, to be freed by the caller; NULL when an option is not known.
static char *split_options(const char *where, bool *ret_lax) {
    const char *options = strchrnul(where, '?');
    *ret_lax = strcmp(options, "?ign_set_control") == 0;
    return *ret_lax || !*options ? strndup(where, (size_t)(options - where)) : NULL;
}

enum jf_code jf_rfc2217_open(const char *where, const struct jf_line *line, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_stream **ret_stream,
                             struct jf_error *err) {
    struct jf_telnet_stream *self = NULL;
    bool is_lax = false;
    char *address = split_options(where, &is_lax);
    if (!address)
        return jf_fail(err, JF_UNSUPPORTED, "the only option behind ? is ign_set_control");
    enum jf_code code =
        jf_telnet_stream_connect(address, &rfc2217_type, take_sub, deadline, cancel, &self, err);
    free(address);
    if (code != JF_OK || !self)
        return code;
    self->is_lax = self->hides_outputs = is_lax;
    code = set_up(self, line, deadline, cancel, err);
    if (code == JF_OK)
        *ret_stream = &self->stream;
    else
        jf_telnet_stream_close(&self->stream);
    return code;
}
