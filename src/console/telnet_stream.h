// SPDX-License-Identifier: Apache-2.0
//
// A console behind a telnet port; with RFC 2217 its serial line is set up,
// carries breaks, and its modem lines are driven and told.
#ifndef JF_CONSOLE_TELNET_STREAM_H
#define JF_CONSOLE_TELNET_STREAM_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "console/line.h"
#include "console/stream.h"

// `where` is HOST:PORT as for jf_tcp_open.
enum jf_code jf_telnet_open(const char *where, jf_deadline deadline, const struct jf_cancel *cancel,
                            struct jf_stream **ret_stream, struct jf_error *err);

// `where` as well with "?ign_set_control" behind it, for servers that answer SET-CONTROL
// wrongly or not at all: flow control, breaks and modem lines are then only asked for.
// Returns when the server has confirmed each setting of `line`. JF_PROTOCOL when it
// sets another one, JF_UNSUPPORTED when it does not speak RFC 2217.
enum jf_code jf_rfc2217_open(const char *where, const struct jf_line *line, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_stream **ret_stream,
                             struct jf_error *err);

#endif
