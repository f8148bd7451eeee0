// SPDX-License-Identifier: Apache-2.0
//
// The main thread reads signals and waits; the work happens on the job's thread
// (runtime/job.h). The first SIGINT, SIGTERM or SIGHUP unwinds the job, a second
// one while it does ends the process at once.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/shared.h"
#include "runtime/job.h"
#include "sys/arguments.h"
#include "sys/terminal.h"

#define STATUS_BUG 1
#define STATUS_SIGNAL 128

// Blocks the signals in this and all later threads and returns a descriptor to
// read them from, or -1.
static int open_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    jf_terminal_block_size();
    // A peer that hangs up is an error of its write, not the end of the program.
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

static int read_signal(int signals_fd) {
    struct signalfd_siginfo info;
    if (read(signals_fd, &info, sizeof info) != sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

static void pass_signal(struct jf_job *job, int signal_number) {
    if (jf_job_is_cancelled(job)) {
        jf_job_abandon(job);
        _exit(STATUS_SIGNAL + signal_number);
    }
    jf_job_cancel(job, signal_number);
}

// Returns when the job has ended; does not return on a second signal.
static void watch(struct jf_job *job, int signals_fd) {
    struct pollfd fds[] = {
        {.fd = signals_fd, .events = POLLIN},
        {.fd = jf_job_done_fd(job), .events = POLLIN},
    };
    while (!fds[1].revents) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        int signal_number = fds[0].revents ? read_signal(signals_fd) : 0;
        if (signal_number)
            pass_signal(job, signal_number);
    }
}

int main(int argc, char **argv) {
    struct jf_error err;
    struct jf_shared shared = JF_SHARED_INIT;
    struct jf_job *job;
    char **arguments = jf_arguments_take(argc, argv);
    int signals_fd = open_signals();
    if (!arguments || signals_fd < 0 ||
        jf_job_start(argc, arguments, &shared, &job, &err) != JF_OK) {
        fprintf(stderr, "jflash: cannot start: %s\n",
                !arguments       ? "not enough memory"
                : signals_fd < 0 ? "signalfd"
                                 : err.message);
        return STATUS_BUG;
    }
    watch(job, signals_fd);
    int status = jf_job_finish(job);
    close(signals_fd);
    jf_arguments_free(arguments);
    return status;
}
