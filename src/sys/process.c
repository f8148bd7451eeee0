// SPDX-License-Identifier: Apache-2.0
#include "sys/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/wait.h"
#include "sys/fd.h"

#define GRACE_S 0.5
// A killed process may be held up in the kernel; then it is left a zombie.
#define KILLED_S 5.0

enum jf_code jf_process_start(const struct jf_spawn *spawn, struct jf_process *ret_process,
                              struct jf_error *err) {
    struct jf_process process = {.detached = spawn->detach, .exit = {-1, -1}};
    enum jf_code code = jf_spawn(spawn, &process.pid, &process.pidfd, err);
    if (code == JF_OK)
        *ret_process = process;
    return code;
}

static enum jf_code wait_end(const struct jf_process *process, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_error *err) {
    return jf_wait_fd(process->pidfd, POLLIN, deadline, cancel, err);
}

// Takes the exit of a program that has ended.
static void reap(struct jf_process *process) {
    siginfo_t info = {0};
    process->ended = true;
    if (process->detached)
        return;
    if (TEMP_FAILURE_RETRY(waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED)) != 0)
        return;
    if (info.si_code == CLD_EXITED)
        process->exit.status = info.si_status;
    else
        process->exit.signal_number = info.si_status;
}

void jf_process_close(struct jf_process *process) {
    if (process->pidfd < 0)
        return;
    if (!process->detached && !process->ended) {
        kill(-process->pid, SIGKILL);
        if (wait_end(process, jf_deadline_in(KILLED_S), NULL, NULL) == JF_OK)
            reap(process);
    }
    jf_fd_close(&process->pidfd);
}

enum jf_code jf_process_wait(struct jf_process *process, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_exit *ret_exit,
                             struct jf_error *err) {
    if (!process->ended) {
        enum jf_code code = wait_end(process, deadline, cancel, err);
        if (code != JF_OK)
            return code;
        reap(process);
    }
    *ret_exit = process->exit;
    return JF_OK;
}

bool jf_process_alive(const struct jf_process *process) {
    return !process->ended && wait_end(process, jf_now_ns(), NULL, NULL) == JF_TIMEOUT;
}

enum jf_code jf_process_kill(struct jf_process *process, int signal_number, struct jf_error *err) {
    if (!jf_process_alive(process))
        return jf_fail(err, JF_CLOSED, "process %d has ended", (int)process->pid);
    if (kill(-process->pid, signal_number) != 0)
        return jf_fail_errno(err, errno, "process %d: signal %d", (int)process->pid, signal_number);
    return JF_OK;
}

void jf_process_terminate(struct jf_process *process) {
    if (process->ended)
        return;
    // The program is not reaped before the last signal, so that its process
    // group's number cannot be in use again.
    kill(-process->pid, SIGTERM);
    wait_end(process, jf_deadline_in(GRACE_S), NULL, NULL);
    kill(-process->pid, SIGKILL);
    if (wait_end(process, jf_deadline_in(KILLED_S), NULL, NULL) == JF_OK)
        reap(process);
}
