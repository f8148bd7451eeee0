// SPDX-License-Identifier: Apache-2.0
//
// Processes that are not our children, by number: whether a number still stands
// for the process it stood for, and waiting for its end.
#ifndef JF_SYS_PID_H
#define JF_SYS_PID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

// When the process started, in clock ticks since boot: with the number it names a
// process for good. False when there is none, or only a zombie.
bool jf_pid_start(pid_t pid, uint64_t *ret_ticks);

// Appends the command line: each argument with a NUL behind it.
enum jf_code jf_pid_cmdline(pid_t pid, struct jf_buf *out, struct jf_error *err);

// Appends the path of the running program.
enum jf_code jf_pid_exe(pid_t pid, struct jf_buf *out, struct jf_error *err);

// Sends a signal (0: only asks); JF_CLOSED when there is no such process.
enum jf_code jf_pid_kill(pid_t pid, int signal_number, struct jf_error *err);

// Waits until the process has ended; at once when there is none.
enum jf_code jf_pid_wait_exit(pid_t pid, jf_deadline deadline, const struct jf_cancel *cancel,
                              struct jf_error *err);

#endif
