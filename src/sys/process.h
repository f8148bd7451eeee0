// SPDX-License-Identifier: Apache-2.0
//
// A program that we started: waiting for its end, signals to its process group,
// and its end together with ours (unless it was detached).
#ifndef JF_SYS_PROCESS_H
#define JF_SYS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "sys/spawn.h"

// How a program ended: one of the two is -1. Of a detached program neither is
// known, since it is not our child.
struct jf_exit {
    int status;
    int signal_number;
};

struct jf_process {
    pid_t pid;
    int pidfd; // -1 in a closed process
    bool detached;
    bool ended; // `exit` is filled, and the pid may be somebody else's
    struct jf_exit exit;
};

#define JF_PROCESS_CLOSED ((struct jf_process){.pidfd = -1})

// Starts the program. Release with jf_process_close, which accepts a closed one.
enum jf_code jf_process_start(const struct jf_spawn *spawn, struct jf_process *ret_process,
                              struct jf_error *err);

// Closes; a program that was not detached and still runs is killed with its
// whole group first.
void jf_process_close(struct jf_process *process);

// Waits for the program's end; afterwards returns at once.
enum jf_code jf_process_wait(struct jf_process *process, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_exit *ret_exit,
                             struct jf_error *err);

bool jf_process_alive(const struct jf_process *process);

// Sends a signal to the process group; JF_CLOSED when the program has ended.
enum jf_code jf_process_kill(struct jf_process *process, int signal_number, struct jf_error *err);

// Ends the whole group: SIGTERM, a grace period, SIGKILL. Waits for the program.
void jf_process_terminate(struct jf_process *process);

#endif
