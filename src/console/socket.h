// SPDX-License-Identifier: Apache-2.0
//
// A console behind a unix socket (QEMU's chardev) or a raw TCP port (ser2net).
#ifndef JF_CONSOLE_SOCKET_H
#define JF_CONSOLE_SOCKET_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "console/stream.h"

enum jf_code jf_unix_open(const char *path, jf_deadline deadline, const struct jf_cancel *cancel,
                          struct jf_stream **ret_stream, struct jf_error *err);

// `where` is HOST:PORT, HOST a name or an IPv4 address. A peer that vanishes
// without a word is noticed after about half a minute.
enum jf_code jf_tcp_open(const char *where, jf_deadline deadline, const struct jf_cancel *cancel,
                         struct jf_stream **ret_stream, struct jf_error *err);

#endif
