// SPDX-License-Identifier: Apache-2.0
//
// A console that a command brings along: ssh, conserver's client, picocom.
#ifndef JF_CONSOLE_EXEC_H
#define JF_CONSOLE_EXEC_H

#include "base/error.h"
#include "console/stream.h"

// Runs `sh -c command` on a pty of its own, in a session of its own. When the
// command ends, reading says with which status. Closing ends its process group:
// SIGHUP, and SIGKILL for what is still there a second later.
enum jf_code jf_exec_open(const char *command, struct jf_stream **ret_stream, struct jf_error *err);

#endif
