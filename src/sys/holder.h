// SPDX-License-Identifier: Apache-2.0
//
// Who has what we may not have: the process that holds a flock, or that has a
// device open, in words.
#ifndef JF_SYS_HOLDER_H
#define JF_SYS_HOLDER_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

// "picocom (pid 1234, user ann)".
#define JF_HOLDER_SIZE 128

// Describes a process; false when there is none.
bool jf_holder_describe(pid_t pid, char ret_text[JF_HOLDER_SIZE]);

// The holder of an exclusive flock on the file `info` tells of, from /proc/locks.
// False when the kernel names none: the lock is free, or its holder lives in
// another pid namespace.
bool jf_holder_of_flock(const struct stat *info, char ret_text[JF_HOLDER_SIZE]);

// Another process that has the device `info` tells of open; which of several is
// chance. Only root sees those of other users.
bool jf_holder_of_device(const struct stat *info, char ret_text[JF_HOLDER_SIZE]);

#endif
