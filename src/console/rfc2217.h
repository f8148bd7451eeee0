// SPDX-License-Identifier: Apache-2.0
//
// The commands of telnet's COM-PORT option (RFC 2217) as bytes.
#ifndef JF_CONSOLE_RFC2217_H
#define JF_CONSOLE_RFC2217_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "console/line.h"

// What the client asks for. A server's answer has the number plus
// JF_RFC2217_ANSWER and, in the same form, what is now so.
enum jf_rfc2217_command {
    JF_RFC2217_SET_BAUDRATE = 1,
    JF_RFC2217_SET_DATASIZE = 2,
    JF_RFC2217_SET_PARITY = 3,
    JF_RFC2217_SET_STOPSIZE = 4,
    JF_RFC2217_SET_CONTROL = 5,
    JF_RFC2217_NOTIFY_LINESTATE = 6,
    JF_RFC2217_NOTIFY_MODEMSTATE = 7,
    JF_RFC2217_FLOWCONTROL_SUSPEND = 8,
    JF_RFC2217_FLOWCONTROL_RESUME = 9,
    JF_RFC2217_PURGE_DATA = 12,
};
#define JF_RFC2217_ANSWER 100

// Values of SET_CONTROL. Flow control is for both directions, or for what the server
// sends out of its port, unless the name says that it is for what comes in.
enum jf_rfc2217_control {
    JF_RFC2217_FLOW_NONE = 1,
    JF_RFC2217_FLOW_XONXOFF = 2,
    JF_RFC2217_FLOW_HARDWARE = 3,
    JF_RFC2217_BREAK_ON = 5,
    JF_RFC2217_BREAK_OFF = 6,
    JF_RFC2217_DTR_STATE = 7, // asks
    JF_RFC2217_DTR_ON = 8,
    JF_RFC2217_DTR_OFF = 9,
    JF_RFC2217_RTS_STATE = 10, // asks
    JF_RFC2217_RTS_ON = 11,
    JF_RFC2217_RTS_OFF = 12,
    JF_RFC2217_IN_NONE = 14,
    JF_RFC2217_IN_XONXOFF = 15,
    JF_RFC2217_IN_HARDWARE = 16,
    JF_RFC2217_IN_DTR = 18,
    JF_RFC2217_FLOW_DSR = 19,
};

// Value of PURGE_DATA: what the server received from its port and has not sent yet.
#define JF_RFC2217_PURGE_RECEIVED 1

// The longest command: its number and four bytes.
#define JF_RFC2217_MAX 5

struct jf_rfc2217_request {
    uint8_t command;
    uint32_t value;
};

// Returns the number of bytes in `out`.
size_t jf_rfc2217_encode(struct jf_rfc2217_request request, uint8_t out[JF_RFC2217_MAX]);

// False when `bytes` is no complete command.
bool jf_rfc2217_decode(const uint8_t *bytes, size_t len, struct jf_rfc2217_request *ret_request);

// The requests that set up a line, at most so many. JF_UNSUPPORTED for flow control that
// RFC 2217 has no words for.
#define JF_RFC2217_LINE_REQUESTS 6
enum jf_code jf_rfc2217_line(const struct jf_line *line,
                             struct jf_rfc2217_request out[JF_RFC2217_LINE_REQUESTS],
                             size_t *ret_count, struct jf_error *err);

// The lines of JF_RFC2217_NOTIFY_MODEMSTATE as a set of enum jf_modem.
unsigned jf_rfc2217_modem(uint32_t state);

// Adds the answer to JF_RFC2217_DTR_STATE or JF_RFC2217_RTS_STATE, which is about `line`.
// False when it is none.
bool jf_rfc2217_output(enum jf_rfc2217_control question, uint32_t answer, unsigned line,
                       struct jf_modem_state *state);

// Appends for people what a request stands for: "baud rate 115200", "break on".
void jf_rfc2217_describe(struct jf_rfc2217_request request, struct jf_buf *out);

// JF_PROTOCOL when the answer to a request is not what was asked for.
enum jf_code jf_rfc2217_check(struct jf_rfc2217_request request, uint32_t answer,
                              struct jf_error *err);

#endif
