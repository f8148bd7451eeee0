// SPDX-License-Identifier: Apache-2.0
//
// One epoll descriptor stands for the program's pipes and its end, so that the
// one wait primitive can watch it together with the cancellation.
#include "sys/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/wait.h"
#include "sys/fd.h"

#define READ_CHUNK 16384

enum { IN, OUT, ERR };

struct pump {
    struct jf_process process;
    bool foreground; // the program has our terminal
    int epoll_fd;
    int pipes[3]; // our ends; -1 when closed
    const char *input;
    size_t input_left;
    size_t limit;
    struct jf_run_result *result;
};

void jf_run_result_free(struct jf_run_result *result) {
    jf_buf_free(&result->output);
    jf_buf_free(&result->errors);
}

static void close_pipe(struct pump *pump, int index) {
    if (pump->pipes[index] >= 0)
        epoll_ctl(pump->epoll_fd, EPOLL_CTL_DEL, pump->pipes[index], NULL);
    jf_fd_close(&pump->pipes[index]);
}

static void feed(struct pump *pump) {
    while (pump->pipes[IN] >= 0) {
        ssize_t done = pump->input_left ? write(pump->pipes[IN], pump->input, pump->input_left) : 0;
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EAGAIN)
            return;
        // Any other error means that the program does not want more.
        if (done <= 0) {
            close_pipe(pump, IN);
            return;
        }
        pump->input += done;
        pump->input_left -= (size_t)done;
    }
}

static void keep(struct pump *pump, struct jf_buf *buf, const char *bytes, size_t len) {
    size_t room = buf->len < pump->limit ? pump->limit - buf->len : 0;
    if (len > room)
        pump->result->truncated = true;
    if (!jf_buf_add(buf, bytes, len < room ? len : room))
        pump->result->truncated = true;
}

static void drain(struct pump *pump, int index, struct jf_buf *buf) {
    char chunk[READ_CHUNK];
    while (pump->pipes[index] >= 0) {
        ssize_t got = read(pump->pipes[index], chunk, sizeof chunk);
        if (got > 0)
            keep(pump, buf, chunk, (size_t)got);
        else if (got < 0 && errno == EAGAIN)
            return;
        else if (got == 0 || errno != EINTR)
            close_pipe(pump, index);
    }
}

static void drain_both(struct pump *pump) {
    drain(pump, OUT, &pump->result->output);
    drain(pump, ERR, &pump->result->errors);
}

static enum jf_code watch(struct pump *pump, int fd, uint32_t events, struct jf_error *err) {
    struct epoll_event event = {.events = events};
    if (epoll_ctl(pump->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return jf_fail_errno(err, errno, "epoll");
    return JF_OK;
}

// Opens the pipe of one standard descriptor; the child's end goes to `fds`.
static enum jf_code open_pipe(struct pump *pump, int index, int fds[3], struct jf_error *err) {
    int ends[2];
    enum jf_code code = jf_fd_pipe(ends, err);
    if (code != JF_OK)
        return code;
    int ours = index == IN ? 1 : 0;
    pump->pipes[index] = ends[ours];
    fds[index] = ends[1 - ours];
    code = jf_fd_set_nonblocking(ends[ours], err);
    if (code != JF_OK)
        return code;
    return watch(pump, ends[ours], index == IN ? EPOLLOUT : EPOLLIN, err);
}

static enum jf_code start(struct pump *pump, const struct jf_run *run, struct jf_error *err) {
    struct jf_spawn spawn = run->spawn;
    spawn.foreground = pump->foreground;
    enum jf_code code = JF_OK;
    for (int i = 0; i < 3; i++)
        spawn.fds[i] = -1;
    for (int i = 0; i < 3 && code == JF_OK; i++) {
        if (!spawn.inherit && (i != IN || run->input))
            code = open_pipe(pump, i, spawn.fds, err);
    }
    if (code == JF_OK)
        code = jf_process_start(&spawn, &pump->process, err);
    for (int i = 0; i < 3; i++)
        jf_fd_close(&spawn.fds[i]);
    return code == JF_OK ? watch(pump, pump->process.pidfd, EPOLLIN, err) : code;
}

static enum jf_code pump_to_end(struct pump *pump, jf_deadline deadline,
                                const struct jf_cancel *cancel, struct jf_error *err) {
    for (;;) {
        feed(pump);
        drain_both(pump);
        if (!jf_process_alive(&pump->process))
            break;
        enum jf_code code = jf_wait_fd(pump->epoll_fd, POLLIN, deadline, cancel, err);
        if (code != JF_OK)
            return code;
    }
    // It may have printed between the last read and its end.
    drain_both(pump);
    return jf_process_wait(&pump->process, deadline, NULL, &pump->result->exit, err);
}

// Gives the terminal back to us after the program had it in the foreground.
static void take_terminal(void) {
    sigset_t signals, saved;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &signals, &saved);
    tcsetpgrp(STDIN_FILENO, getpgrp());
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
}

static enum jf_code run_pumped(struct pump *pump, const struct jf_run *run, jf_deadline deadline,
                               const struct jf_cancel *cancel, struct jf_error *err) {
    int64_t begin = jf_now_ns();
    const char *name = run->spawn.argv[0];
    enum jf_code code = start(pump, run, err);
    if (code != JF_OK)
        return code;
    code = pump_to_end(pump, deadline, cancel, err);
    if (code == JF_OK)
        return code;
    jf_process_terminate(&pump->process);
    drain_both(pump);
    if (code == JF_TIMEOUT)
        return jf_fail(err, code, "%s: did not end within %.1f s and was killed", name,
                       (double)(jf_now_ns() - begin) / 1e9);
    return jf_prefix(err, "%s", name);
}

enum jf_code jf_run(const struct jf_run *run, jf_deadline deadline, const struct jf_cancel *cancel,
                    struct jf_run_result *result, struct jf_error *err) {
    struct pump pump = {
        .process = JF_PROCESS_CLOSED,
        .foreground = run->spawn.inherit && tcgetpgrp(STDIN_FILENO) == getpgrp(),
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .pipes = {-1, -1, -1},
        .input = run->input,
        .input_left = run->input_len,
        .limit = run->output_limit,
        .result = result,
    };
    if (pump.epoll_fd < 0)
        return jf_fail_errno(err, errno, "%s: epoll", run->spawn.argv[0]);
    enum jf_code code = run_pumped(&pump, run, deadline, cancel, err);
    for (int i = 0; i < 3; i++)
        close_pipe(&pump, i);
    jf_process_close(&pump.process);
    if (pump.foreground)
        take_terminal();
    jf_fd_close(&pump.epoll_fd);
    return code;
}
