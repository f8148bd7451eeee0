// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

bool sim_target_read(pid_t pid, uint64_t address, void *bytes, size_t len) {
    struct iovec here = {.iov_base = bytes, .iov_len = len};
    struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = len};
    return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)len;
}

bool sim_target_write(pid_t pid, uint64_t address, const void *bytes, size_t len) {
    struct iovec here = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = len};
    return process_vm_writev(pid, &here, 1, &there, 1, 0) == (ssize_t)len;
}

bool sim_target_string(pid_t pid, uint64_t address, char *text, size_t size) {
    // A page at a time: the one behind the string may not be mapped.
    const uint64_t page = 4096;
    size_t got = 0;
    while (got < size) {
        size_t len = (size_t)(page - (address + got) % page);
        if (len > size - got)
            len = size - got;
        if (!sim_target_read(pid, address + got, text + got, len))
            return false;
        if (memchr(text + got, '\0', len))
            return true;
        got += len;
    }
    return false;
}

bool sim_target_fstat(pid_t pid, int fd, struct stat *ret_stat) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    return stat(path, ret_stat) == 0;
}

int sim_target_fd(pid_t pid, int fd) {
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    if (process < 0)
        return -1;
    int copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
    close(process);
    return copy;
}
