// SPDX-License-Identifier: Apache-2.0
//
// Starts the programs that the board plays with: plain ones (curl), and the
// flasher's shell, confined to a folder and watched by the fake kernel.
#ifndef SIM_PROCESS_H
#define SIM_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct sim_process_options {
    char *const *argv;
    char *const *env; // NULL: ours
    const char *root; // the folder that is "/" for it; NULL: the host's
    bool terminal;    // input and output are a new pty, else output is a pipe
    bool watched;     // its system calls go to the fake kernel
    bool watch_reads; // see sim_filter_install
};

struct sim_process {
    pid_t pid;
    int pidfd;    // readable when it has ended
    int fd;       // the pty's master, or the pipe with stdout and stderr
    int listener; // for sim_kernel_serve; -1 when not watched
};

// Opens a pty in raw mode. Returns the master, or -1 with errno; the slave's
// path goes to `slave`.
int sim_pty_open(char *slave, size_t size);

// On success the caller closes the three descriptors. False: `error` says why.
bool sim_process_start(const struct sim_process_options *options, struct sim_process *ret_process,
                       char *error, size_t error_size);

// Reaps a child that has ended; 0 when there is none. Orphans of children count:
// they became ours (PR_SET_CHILD_SUBREAPER).
pid_t sim_process_reap(int *ret_status);

// Kills all descendants and waits until they are gone.
void sim_process_kill_all(void);

#endif
