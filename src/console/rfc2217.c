// SPDX-License-Identifier: Apache-2.0
#include "console/rfc2217.h"

static size_t value_size(uint8_t command) {
    switch (command) {
    case JF_RFC2217_SET_BAUDRATE:
    case JF_RFC2217_SET_BAUDRATE + JF_RFC2217_ANSWER:
        return 4;
    case JF_RFC2217_FLOWCONTROL_SUSPEND:
    case JF_RFC2217_FLOWCONTROL_RESUME:
    case JF_RFC2217_FLOWCONTROL_SUSPEND + JF_RFC2217_ANSWER:
    case JF_RFC2217_FLOWCONTROL_RESUME + JF_RFC2217_ANSWER:
        return 0;
    default:
        return 1;
    }
}

size_t jf_rfc2217_encode(struct jf_rfc2217_request request, uint8_t out[JF_RFC2217_MAX]) {
    size_t size = value_size(request.command);
    out[0] = request.command;
    for (size_t i = 0; i < size; i++)
        out[1 + i] = (uint8_t)(request.value >> 8 * (size - 1 - i));
    return 1 + size;
}

bool jf_rfc2217_decode(const uint8_t *bytes, size_t len, struct jf_rfc2217_request *ret_request) {
    if (len < 1 || len - 1 < value_size(bytes[0]))
        return false;
    *ret_request = (struct jf_rfc2217_request){.command = bytes[0]};
    for (size_t i = 0; i < value_size(bytes[0]); i++)
        ret_request->value = ret_request->value << 8 | bytes[1 + i];
    return true;
}

static uint32_t parity_value(enum jf_parity parity) {
    static const uint32_t values[] = {
        [JF_PARITY_NONE] = 1, [JF_PARITY_ODD] = 2,   [JF_PARITY_EVEN] = 3,
        [JF_PARITY_MARK] = 4, [JF_PARITY_SPACE] = 5,
    };
    return values[parity];
}

// What holds up the server's sending; 0 when it is more than one thing.
static uint32_t outbound(const struct jf_line *line) {
    bool xon_xoff = line->xon_xoff & JF_XON_XOFF_OUT;
    if (line->cts + line->dsr + xon_xoff > 1)
        return 0;
    if (xon_xoff)
        return JF_RFC2217_FLOW_XONXOFF;
    return line->cts   ? JF_RFC2217_FLOW_HARDWARE
           : line->dsr ? JF_RFC2217_FLOW_DSR
                       : JF_RFC2217_FLOW_NONE;
}

// How the server holds up the board; as outbound.
static uint32_t inbound(const struct jf_line *line) {
    bool rts = line->rts == JF_SIGNAL_FLOW_CONTROL;
    bool dtr = line->dtr == JF_SIGNAL_FLOW_CONTROL;
    bool xon_xoff = line->xon_xoff & JF_XON_XOFF_IN;
    if (rts + dtr + xon_xoff > 1)
        return 0;
    if (xon_xoff)
        return JF_RFC2217_IN_XONXOFF;
    return rts ? JF_RFC2217_IN_HARDWARE : dtr ? JF_RFC2217_IN_DTR : JF_RFC2217_IN_NONE;
}

// What flow control in both directions makes of what comes in.
static uint32_t implied_inbound(uint32_t both) {
    switch (both) {
    case JF_RFC2217_FLOW_XONXOFF:
        return JF_RFC2217_IN_XONXOFF;
    case JF_RFC2217_FLOW_HARDWARE:
        return JF_RFC2217_IN_HARDWARE;
    case JF_RFC2217_FLOW_DSR:
        return JF_RFC2217_IN_DTR;
    default:
        return JF_RFC2217_IN_NONE;
    }
}

unsigned jf_rfc2217_modem(uint32_t state) {
    return (state & 128 ? JF_MODEM_DCD : 0U) | (state & 64 ? JF_MODEM_RI : 0U) |
           (state & 32 ? JF_MODEM_DSR : 0U) | (state & 16 ? JF_MODEM_CTS : 0U);
}

bool jf_rfc2217_output(enum jf_rfc2217_control question, uint32_t answer, unsigned line,
                       struct jf_modem_state *state) {
    // The values behind the question's: on, off.
    if (answer != question + 1U && answer != question + 2U)
        return false;
    state->known |= line;
    state->raised |= answer == question + 1U ? line : 0;
    return true;
}

enum jf_code jf_rfc2217_line(const struct jf_line *line,
                             struct jf_rfc2217_request out[JF_RFC2217_LINE_REQUESTS],
                             size_t *ret_count, struct jf_error *err) {
    uint32_t both = outbound(line);
    uint32_t in = inbound(line);
    size_t count = 0;
    *ret_count = 0;
    if (!both || !in)
        return jf_fail(err, JF_UNSUPPORTED, "RFC 2217 has one kind of flow control per direction");
    out[count++] = (struct jf_rfc2217_request){JF_RFC2217_SET_BAUDRATE, (uint32_t)line->baudrate};
    out[count++] = (struct jf_rfc2217_request){JF_RFC2217_SET_DATASIZE, (uint32_t)line->bytesize};
    out[count++] = (struct jf_rfc2217_request){JF_RFC2217_SET_PARITY, parity_value(line->parity)};
    out[count++] = (struct jf_rfc2217_request){JF_RFC2217_SET_STOPSIZE, (uint32_t)line->stopbits};
    out[count++] = (struct jf_rfc2217_request){JF_RFC2217_SET_CONTROL, both};
    // Only where it differs: not every server knows these values.
    if (in != implied_inbound(both))
        out[count++] = (struct jf_rfc2217_request){JF_RFC2217_SET_CONTROL, in};
    *ret_count = count;
    return JF_OK;
}

static const char *name_of(uint8_t command) {
    switch (command) {
    case JF_RFC2217_SET_BAUDRATE:
        return "baud rate";
    case JF_RFC2217_SET_DATASIZE:
        return "data bits";
    case JF_RFC2217_SET_PARITY:
        return "parity";
    case JF_RFC2217_SET_STOPSIZE:
        return "stop bits";
    default:
        return "command";
    }
}

static const char *parity_name(uint32_t value) {
    static const char *const names[] = {"as it was", "none", "odd", "even", "mark", "space"};
    return value < sizeof names / sizeof *names ? names[value] : "unknown";
}

static const char *control_name(uint32_t value) {
    static const char *const names[] = {
        [JF_RFC2217_FLOW_NONE] = "flow control none",
        [JF_RFC2217_FLOW_XONXOFF] = "flow control xonxoff",
        [JF_RFC2217_FLOW_HARDWARE] = "flow control rtscts",
        [JF_RFC2217_BREAK_ON] = "break on",
        [JF_RFC2217_BREAK_OFF] = "break off",
        [JF_RFC2217_DTR_STATE] = "state of DTR",
        [JF_RFC2217_DTR_ON] = "DTR on",
        [JF_RFC2217_DTR_OFF] = "DTR off",
        [JF_RFC2217_RTS_STATE] = "state of RTS",
        [JF_RFC2217_RTS_ON] = "RTS on",
        [JF_RFC2217_RTS_OFF] = "RTS off",
        [JF_RFC2217_IN_NONE] = "inbound flow control none",
        [JF_RFC2217_IN_XONXOFF] = "inbound flow control xonxoff",
        [JF_RFC2217_IN_HARDWARE] = "inbound flow control by RTS",
        [JF_RFC2217_IN_DTR] = "inbound flow control by DTR",
        [JF_RFC2217_FLOW_DSR] = "flow control dtrdsr",
    };
    return value < sizeof names / sizeof *names && names[value] ? names[value] : "another control";
}

void jf_rfc2217_describe(struct jf_rfc2217_request request, struct jf_buf *out) {
    if (request.command == JF_RFC2217_SET_CONTROL)
        jf_buf_addf(out, "%s", control_name(request.value));
    else if (request.command == JF_RFC2217_SET_PARITY)
        jf_buf_addf(out, "parity %s", parity_name(request.value));
    else
        jf_buf_addf(out, "%s %lu", name_of(request.command), (unsigned long)request.value);
}

static bool is_break(uint32_t control) {
    return control == JF_RFC2217_BREAK_ON || control == JF_RFC2217_BREAK_OFF;
}

// The answer to a request is what is now so: the request. But ser2net 4.3 was
// seen to answer the end of a break with its beginning.
static bool confirms(struct jf_rfc2217_request request, uint32_t answer) {
    return answer == request.value || (request.command == JF_RFC2217_SET_CONTROL &&
                                       request.value == JF_RFC2217_BREAK_OFF && is_break(answer));
}

enum jf_code jf_rfc2217_check(struct jf_rfc2217_request request, uint32_t answer,
                              struct jf_error *err) {
    if (confirms(request, answer))
        return JF_OK;
    struct jf_buf asked = {0};
    struct jf_buf got = {0};
    jf_rfc2217_describe(request, &asked);
    jf_rfc2217_describe((struct jf_rfc2217_request){request.command, answer}, &got);
    jf_fail(err, JF_PROTOCOL, "RFC 2217: asked for %s, the server answers %s",
            asked.data ? asked.data : "", got.data ? got.data : "");
    jf_buf_free(&asked);
    jf_buf_free(&got);
    return JF_PROTOCOL;
}
