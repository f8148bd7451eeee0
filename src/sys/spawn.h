// SPDX-License-Identifier: Apache-2.0
//
// Starting a program with posix_spawn: default signal mask and dispositions, a
// process group of its own, no descriptor of ours but its standard three.
#ifndef JF_SYS_SPAWN_H
#define JF_SYS_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct jf_spawn {
    char *const *argv; // ends with NULL; argv[0] without a slash is looked up in PATH
    char *const *env;  // changes to our environment: "NAME=VALUE" sets, "NAME" removes; or NULL
    const char *cwd;   // or NULL for ours
    int fds[3];        // the child's stdin, stdout, stderr; -1 for /dev/null; else above 2
    bool inherit;      // use our own standard descriptors instead of `fds`
    bool foreground;   // gets the terminal at our stdin; the caller takes it back
    bool detach;       // in a session of its own, and no child of ours
};

// Starts the program as our child, or with `detach` as init's: its pid cannot
// come into use again before the pidfd is open. The caller closes *ret_pidfd.
enum jf_code jf_spawn(const struct jf_spawn *spawn, pid_t *ret_pid, int *ret_pidfd,
                      struct jf_error *err);

#endif
