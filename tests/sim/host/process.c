// SPDX-License-Identifier: Apache-2.0
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <unistd.h>

#include "filter.h"

#define LAST_CAPABILITY 63

int sim_pty_open(char *slave, size_t size) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (master < 0)
        return -1;
    if (grantpt(master) == 0 && unlockpt(master) == 0 && ptsname_r(master, slave, size) == 0)
        return master;
    int saved = errno;
    close(master);
    errno = saved;
    return -1;
}

// ---- in the child ----

struct child {
    const struct sim_process_options *options;
    const char *slave; // NULL: output goes to `output`
    int output;
    int channel; // to the parent: the listener, or a text that says what failed
};

static _Noreturn void fail(const struct child *child, const char *what) {
    char text[256];
    int len = snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
    if (send(child->channel, text, (size_t)len, MSG_NOSIGNAL) < 0)
        _exit(126);
    _exit(127);
}

static void write_file(const struct child *child, const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        fail(child, path);
    close(fd);
}

// An ordinary user may only change the root folder in a user namespace.
static void become_root(const struct child *child) {
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (uid == 0)
        return;
    if (unshare(CLONE_NEWUSER) < 0)
        fail(child, "user namespace");
    write_file(child, "/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    write_file(child, "/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", gid);
    write_file(child, "/proc/self/gid_map", map);
}

static void confine(const struct child *child) {
    become_root(child);
    if (chroot(child->options->root) < 0 || chdir("/root") < 0)
        fail(child, child->options->root);
    // Root in name only: it must be able to harm nothing of the host's.
    for (int capability = 0; capability <= LAST_CAPABILITY; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL)
            fail(child, "drop capabilities");
    }
}

static void connect_streams(const struct child *child) {
    int output = child->output;
    if (setsid() < 0)
        fail(child, "setsid");
    if (child->slave) {
        output = open(child->slave, O_RDWR);
        if (output < 0 || ioctl(output, TIOCSCTTY, 0) < 0)
            fail(child, child->slave);
    }
    int input = child->slave ? output : open("/dev/null", O_RDONLY);
    if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
        fail(child, "dup2");
}

static void reset_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
}

static void send_listener(const struct child *child, int listener) {
    char byte = 0;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &listener, sizeof listener);
    if (sendmsg(child->channel, &message, MSG_NOSIGNAL) < 0)
        _exit(126);
    close(listener);
}

static _Noreturn void run_child(const struct child *child) {
    const struct sim_process_options *options = child->options;
    // Before stdout is replaced, and before the ways out of the folder are gone.
    connect_streams(child);
    reset_signals();
    if (options->root)
        confine(child);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (options->watched) {
        int listener = sim_filter_install(options->watch_reads);
        if (listener < 0)
            fail(child, "seccomp");
        // From here on open, stat and write would wait for the parent, which
        // serves the listener only after this.
        send_listener(child, listener);
    }
    execvpe(options->argv[0], options->argv, options->env ? options->env : environ);
    fail(child, options->argv[0]);
}

// ---- in the parent ----

// Waits until the child runs its program. The listener, if it sent one.
static bool receive_start(int channel, int *ret_listener, char *error, size_t error_size) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = error, .iov_len = error_size - 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    error[got > 0 ? got : 0] = '\0';
    if (header && header->cmsg_type == SCM_RIGHTS) {
        memcpy(ret_listener, CMSG_DATA(header), sizeof *ret_listener);
        return true;
    }
    return got == 0; // the channel closed when the program was started
}

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool fork_child(struct child *child, int ours, struct sim_process *process, char *error,
                       size_t error_size) {
    process->pid = fork();
    if (process->pid == 0)
        run_child(child);
    close_fd(&child->channel);
    close_fd(&child->output);
    if (process->pid < 0) {
        snprintf(error, error_size, "fork: %s", strerror(errno));
        return false;
    }
    process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    return receive_start(ours, &process->listener, error, error_size);
}

bool sim_process_start(const struct sim_process_options *options, struct sim_process *ret_process,
                       char *error, size_t error_size) {
    struct sim_process process = {.pid = -1, .pidfd = -1, .fd = -1, .listener = -1};
    struct child child = {.options = options, .output = -1};
    char slave[64];
    int channel[2];
    int pipes[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0) {
        snprintf(error, error_size, "socketpair: %s", strerror(errno));
        return false;
    }
    child.channel = channel[1];
    if (options->terminal) {
        pipes[0] = sim_pty_open(slave, sizeof slave);
        child.slave = slave;
    } else if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0) {
        child.output = pipes[1];
    }
    process.fd = pipes[0];
    bool started = process.fd >= 0 && fork_child(&child, channel[0], &process, error, error_size);
    close(channel[0]);
    close_fd(&child.channel);
    close_fd(&child.output);
    if (started) {
        *ret_process = process;
        return true;
    }
    close_fd(&process.fd);
    close_fd(&process.pidfd);
    return false;
}

pid_t sim_process_reap(int *ret_status) {
    pid_t pid = waitpid(-1, ret_status, WNOHANG);
    return pid > 0 ? pid : 0;
}

static bool kill_children(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *list = fopen(path, "re");
    bool any = false;
    char number[16];
    while (list && fscanf(list, "%15s", number) == 1) {
        kill((pid_t)strtol(number, NULL, 10), SIGKILL);
        any = true;
    }
    if (list)
        fclose(list);
    return any;
}

void sim_process_kill_all(void) {
    // The children of those killed become ours, hence the rounds.
    while (kill_children()) {
        if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
            return;
    }
}
