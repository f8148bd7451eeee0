// SPDX-License-Identifier: Apache-2.0
#include "sys/pid.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/wait.h"
#include "sys/fd.h"

#define PROC_LIMIT (4 << 20)

static enum jf_code read_proc(pid_t pid, const char *name, struct jf_buf *out,
                              struct jf_error *err) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return jf_fail_errno(err, errno, "process %d: %s", (int)pid, name);
    enum jf_code code = jf_fd_read_all(fd, PROC_LIMIT, JF_NEVER, NULL, out, err);
    jf_fd_close(&fd);
    return code == JF_OK ? JF_OK : jf_prefix(err, "process %d: %s", (int)pid, name);
}

// Parses /proc/PID/stat: state is field 3, starttime field 22. The name in field
// 2 may hold spaces and brackets, so counting starts behind the last bracket.
static bool parse_stat(const char *text, uint64_t *ret_ticks) {
    const char *next = text ? strrchr(text, ')') : NULL;
    char state;
    unsigned long long ticks;
    if (!next || sscanf(next + 1,
                        " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
                        " %*s %llu",
                        &state, &ticks) != 2)
        return false;
    if (state == 'Z' || state == 'X')
        return false;
    *ret_ticks = ticks;
    return true;
}

bool jf_pid_start(pid_t pid, uint64_t *ret_ticks) {
    struct jf_buf text = {0};
    struct jf_error err;
    bool found = read_proc(pid, "stat", &text, &err) == JF_OK && parse_stat(text.data, ret_ticks);
    jf_buf_free(&text);
    return found;
}

enum jf_code jf_pid_cmdline(pid_t pid, struct jf_buf *out, struct jf_error *err) {
    return read_proc(pid, "cmdline", out, err);
}

enum jf_code jf_pid_exe(pid_t pid, struct jf_buf *out, struct jf_error *err) {
    char path[64];
    char target[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    ssize_t len = readlink(path, target, sizeof target);
    if (len < 0)
        return jf_fail_errno(err, errno, "process %d: exe", (int)pid);
    if (!jf_buf_add(out, target, (size_t)len))
        return jf_fail(err, JF_LIMIT, "not enough memory");
    return JF_OK;
}

enum jf_code jf_pid_kill(pid_t pid, int signal_number, struct jf_error *err) {
    if (kill(pid, signal_number) == 0)
        return JF_OK;
    if (errno == ESRCH)
        return jf_fail(err, JF_CLOSED, "process %d: no such process", (int)pid);
    return jf_fail_errno(err, errno, "process %d: signal %d", (int)pid, signal_number);
}

enum jf_code jf_pid_wait_exit(pid_t pid, jf_deadline deadline, const struct jf_cancel *cancel,
                              struct jf_error *err) {
    int fd = pidfd_open(pid, 0);
    if (fd < 0 && errno == ESRCH)
        return JF_OK;
    if (fd < 0)
        return jf_fail_errno(err, errno, "process %d: process descriptor", (int)pid);
    enum jf_code code = jf_wait_fd(fd, POLLIN, deadline, cancel, err);
    jf_fd_close(&fd);
    if (code == JF_TIMEOUT)
        return jf_fail(err, code, "process %d: timeout: still running", (int)pid);
    return code == JF_OK ? JF_OK : jf_prefix(err, "process %d", (int)pid);
}
