// SPDX-License-Identifier: Apache-2.0
//
// Looks into a stopped process: its memory and its open files. The process
// waits in a seccomp notification meanwhile, so nothing moves under us.
#ifndef SIM_TARGET_H
#define SIM_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

// Copies between our memory and the process's; true when all of it was copied.
bool sim_target_read(pid_t pid, uint64_t address, void *bytes, size_t len);
bool sim_target_write(pid_t pid, uint64_t address, const void *bytes, size_t len);

// Copies a NUL-terminated string; false when it is not readable or too long.
bool sim_target_string(pid_t pid, uint64_t address, char *text, size_t size);

// What the process's descriptor refers to; false when it is not open.
bool sim_target_fstat(pid_t pid, int fd, struct stat *ret_stat);

// A descriptor of ours for the same open file (offset and flags are shared), or
// -1. The caller closes it.
int sim_target_fd(pid_t pid, int fd);

#endif
