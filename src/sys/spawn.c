// SPDX-License-Identifier: Apache-2.0
#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/fd.h"

// All that posix_spawn needs, made before a fork: behind it nothing may allocate.
struct plan {
    const struct jf_spawn *spawn;
    char **env;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
};

static size_t name_length(const char *assignment) {
    return strcspn(assignment, "=");
}

static bool is_changed(const char *assignment, char *const *changes) {
    size_t len = name_length(assignment);
    for (; *changes; changes++) {
        if (name_length(*changes) == len && strncmp(*changes, assignment, len) == 0)
            return true;
    }
    return false;
}

static size_t count_strings(char *const *strings) {
    size_t count = 0;
    while (strings[count])
        count++;
    return count;
}

// Our environment with the changes; the strings stay where they are. NULL when
// memory is out.
static char **merge_environment(char *const *changes) {
    static char *const none[] = {NULL};
    if (!changes)
        changes = none;
    char **merged = calloc(count_strings(environ) + count_strings(changes) + 1, sizeof *merged);
    if (!merged)
        return NULL;
    size_t count = 0;
    for (char **entry = environ; *entry; entry++) {
        if (!is_changed(*entry, changes))
            merged[count++] = *entry;
    }
    for (; *changes; changes++) {
        if (strchr(*changes, '='))
            merged[count++] = *changes;
    }
    return merged;
}

static int add_actions(posix_spawn_file_actions_t *actions, const struct jf_spawn *spawn) {
    int failed = 0;
    for (int i = 0; i < 3 && !spawn->inherit && !failed; i++) {
        failed = spawn->fds[i] < 0
                     ? posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0)
                     : posix_spawn_file_actions_adddup2(actions, spawn->fds[i], i);
    }
    if (!failed && spawn->cwd)
        failed = posix_spawn_file_actions_addchdir_np(actions, spawn->cwd);
    if (!failed && spawn->foreground)
        failed = posix_spawn_file_actions_addtcsetpgrp_np(actions, STDIN_FILENO);
    // Descriptors of libraries may lack close-on-exec.
    return failed ? failed : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

static void set_attributes(posix_spawnattr_t *attributes, const struct jf_spawn *spawn) {
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(attributes, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(attributes, &signals);
    posix_spawnattr_setpgroup(attributes, 0);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    flags |= spawn->detach ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
    posix_spawnattr_setflags(attributes, (short)flags);
}

static void free_plan(struct plan *plan) {
    posix_spawn_file_actions_destroy(&plan->actions);
    posix_spawnattr_destroy(&plan->attributes);
    free(plan->env);
}

static enum jf_code make_plan(const struct jf_spawn *spawn, struct plan *plan,
                              struct jf_error *err) {
    plan->spawn = spawn;
    posix_spawn_file_actions_init(&plan->actions);
    posix_spawnattr_init(&plan->attributes);
    set_attributes(&plan->attributes, spawn);
    plan->env = merge_environment(spawn->env);
    if (plan->env && add_actions(&plan->actions, spawn) == 0)
        return JF_OK;
    free_plan(plan);
    jf_fail(err, JF_LIMIT, "%s: not enough memory", spawn->argv[0]);
    return JF_LIMIT;
}

// Returns 0 or an errno value; async-signal-safe.
static int launch(const struct plan *plan, pid_t *ret_pid) {
    return posix_spawnp(ret_pid, plan->spawn->argv[0], &plan->actions, &plan->attributes,
                        plan->spawn->argv, plan->env);
}

static enum jf_code fail_launch(const struct jf_spawn *spawn, int failed, struct jf_error *err) {
    struct stat info;
    if (spawn->cwd && stat(spawn->cwd, &info) != 0)
        return jf_fail_errno(err, errno, "%s: working directory %s", spawn->argv[0], spawn->cwd);
    if ((failed == ENOENT || failed == EACCES) && !strchr(spawn->argv[0], '/')) {
        // EACCES also comes when we may not look into some folder of PATH.
        jf_fail(err, JF_IO, "%s: command not found%s", spawn->argv[0],
                failed == EACCES ? " or not executable" : "");
        err->sys_errno = failed;
        return JF_IO;
    }
    return jf_fail_errno(err, failed, "%s: cannot start", spawn->argv[0]);
}

static enum jf_code open_pidfd(pid_t pid, const char *name, int *ret_pidfd, struct jf_error *err) {
    int pidfd = pidfd_open(pid, 0); // always close-on-exec
    if (pidfd < 0)
        return jf_fail_errno(err, errno, "%s: process descriptor", name);
    *ret_pidfd = pidfd;
    return JF_OK;
}

static enum jf_code start_child(const struct plan *plan, pid_t *ret_pid, int *ret_pidfd,
                                struct jf_error *err) {
    pid_t pid;
    int failed = launch(plan, &pid);
    if (failed)
        return fail_launch(plan->spawn, failed, err);
    enum jf_code code = open_pidfd(pid, plan->spawn->argv[0], ret_pidfd, err);
    if (code == JF_OK) {
        *ret_pid = pid;
        return JF_OK;
    }
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return code;
}

// What the process between us and a detached program reports.
struct launched {
    int failed;
    pid_t pid;
};

// In the forked process: starts the program, reports, and stays its parent until
// we have its pidfd (or are gone). Only async-signal-safe calls.
static _Noreturn void launch_between(const struct plan *plan, int report_fd) {
    struct launched launched = {0};
    launched.failed = launch(plan, &launched.pid);
    char byte;
    if (write(report_fd, &launched, sizeof launched) == (ssize_t)sizeof launched) {
        ssize_t ignored = read(report_fd, &byte, 1);
        (void)ignored;
    }
    _exit(0);
}

static enum jf_code take_report(const struct plan *plan, int report_fd, pid_t *ret_pid,
                                int *ret_pidfd, struct jf_error *err) {
    const char *name = plan->spawn->argv[0];
    struct launched launched;
    // The sender only runs posix_spawn, so this cannot block for long.
    ssize_t got = TEMP_FAILURE_RETRY(read(report_fd, &launched, sizeof launched));
    if (got != (ssize_t)sizeof launched)
        return jf_fail(err, JF_IO, "%s: cannot start: the starting process was killed", name);
    if (launched.failed)
        return fail_launch(plan->spawn, launched.failed, err);
    *ret_pid = launched.pid;
    return open_pidfd(launched.pid, name, ret_pidfd, err);
}

static enum jf_code start_detached(const struct plan *plan, pid_t *ret_pid, int *ret_pidfd,
                                   struct jf_error *err) {
    const char *name = plan->spawn->argv[0];
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return jf_fail_errno(err, errno, "%s: socketpair", name);
    pid_t between = fork();
    if (between == 0) {
        close(ends[0]);
        launch_between(plan, ends[1]);
    }
    int fork_errno = errno;
    jf_fd_close(&ends[1]);
    enum jf_code code = between < 0 ? jf_fail_errno(err, fork_errno, "%s: fork", name)
                                    : take_report(plan, ends[0], ret_pid, ret_pidfd, err);
    jf_fd_close(&ends[0]);
    if (between > 0)
        TEMP_FAILURE_RETRY(waitpid(between, NULL, 0));
    return code;
}

enum jf_code jf_spawn(const struct jf_spawn *spawn, pid_t *ret_pid, int *ret_pidfd,
                      struct jf_error *err) {
    struct plan plan;
    enum jf_code code = make_plan(spawn, &plan, err);
    if (code != JF_OK)
        return code;
    code = spawn->detach ? start_detached(&plan, ret_pid, ret_pidfd, err)
                         : start_child(&plan, ret_pid, ret_pidfd, err);
    free_plan(&plan);
    return code;
}
