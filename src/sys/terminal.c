// SPDX-License-Identifier: Apache-2.0
#include "sys/terminal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

struct jf_terminal {
    pthread_mutex_t lock;
    int changed_fd; // -1 while no terminal has other modes
    struct termios saved;
};

struct jf_terminal *jf_terminal_new(void) {
    struct jf_terminal *terminal = calloc(1, sizeof *terminal);
    if (!terminal)
        return NULL;
    pthread_mutex_init(&terminal->lock, NULL);
    terminal->changed_fd = -1;
    return terminal;
}

void jf_terminal_free(struct jf_terminal *terminal) {
    if (!terminal)
        return;
    jf_terminal_restore(terminal);
    pthread_mutex_destroy(&terminal->lock);
    free(terminal);
}

// Remembers the modes that `fd` has, unless they are changed ones already.
static enum jf_code keep(struct jf_terminal *terminal, int fd, struct termios *ret_modes,
                         struct jf_error *err) {
    if (tcgetattr(fd, ret_modes) != 0)
        return jf_fail(err, JF_UNSUPPORTED, "not a terminal");
    if (terminal->changed_fd < 0)
        terminal->saved = *ret_modes;
    terminal->changed_fd = fd;
    return JF_OK;
}

static enum jf_code make_raw(struct jf_terminal *terminal, int fd, struct jf_error *err) {
    struct termios modes;
    enum jf_code code = keep(terminal, fd, &modes, err);
    if (code != JF_OK)
        return code;
    cfmakeraw(&modes);
    if (tcsetattr(fd, TCSADRAIN, &modes) != 0)
        return jf_fail_errno(err, errno, "terminal: raw mode");
    return JF_OK;
}

enum jf_code jf_terminal_keep(struct jf_terminal *terminal, int fd, struct jf_error *err) {
    struct termios modes;
    pthread_mutex_lock(&terminal->lock);
    enum jf_code code = keep(terminal, fd, &modes, err);
    pthread_mutex_unlock(&terminal->lock);
    return code;
}

enum jf_code jf_terminal_raw(struct jf_terminal *terminal, int fd, struct jf_error *err) {
    pthread_mutex_lock(&terminal->lock);
    enum jf_code code = make_raw(terminal, fd, err);
    pthread_mutex_unlock(&terminal->lock);
    return code;
}

void jf_terminal_restore(struct jf_terminal *terminal) {
    pthread_mutex_lock(&terminal->lock);
    if (terminal->changed_fd >= 0)
        tcsetattr(terminal->changed_fd, TCSADRAIN, &terminal->saved);
    terminal->changed_fd = -1;
    pthread_mutex_unlock(&terminal->lock);
}

int jf_terminal_columns(int fd) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0)
        return 0;
    return size.ws_col;
}

struct jf_terminal_size jf_terminal_size(int fd) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0)
        return (struct jf_terminal_size){0, 0};
    return (struct jf_terminal_size){size.ws_col, size.ws_row};
}

static sigset_t size_signal(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGWINCH);
    return signals;
}

void jf_terminal_block_size(void) {
    sigset_t signals = size_signal();
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

int jf_terminal_watch_size(void) {
    sigset_t signals = size_signal();
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

void jf_terminal_take_resize(int watch_fd) {
    struct signalfd_siginfo info;
    while (read(watch_fd, &info, sizeof info) > 0)
        continue;
}
