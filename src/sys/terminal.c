// SPDX-License-Identifier: Apache-2.0
#include "sys/terminal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

struct jf_terminal {
    pthread_mutex_t lock;
    int raw_fd; // -1 while no terminal is raw
    struct termios saved;
};

struct jf_terminal *jf_terminal_new(void) {
    struct jf_terminal *terminal = calloc(1, sizeof *terminal);
    if (!terminal)
        return NULL;
    pthread_mutex_init(&terminal->lock, NULL);
    terminal->raw_fd = -1;
    return terminal;
}

void jf_terminal_free(struct jf_terminal *terminal) {
    if (!terminal)
        return;
    jf_terminal_restore(terminal);
    pthread_mutex_destroy(&terminal->lock);
    free(terminal);
}

static enum jf_code make_raw(struct jf_terminal *terminal, int fd, struct jf_error *err) {
    struct termios settings;
    if (tcgetattr(fd, &settings) != 0)
        return jf_fail(err, JF_UNSUPPORTED, "not a terminal");
    if (terminal->raw_fd < 0)
        terminal->saved = settings;
    cfmakeraw(&settings);
    if (tcsetattr(fd, TCSADRAIN, &settings) != 0)
        return jf_fail_errno(err, errno, "terminal: raw mode");
    terminal->raw_fd = fd;
    return JF_OK;
}

enum jf_code jf_terminal_raw(struct jf_terminal *terminal, int fd, struct jf_error *err) {
    pthread_mutex_lock(&terminal->lock);
    enum jf_code code = make_raw(terminal, fd, err);
    pthread_mutex_unlock(&terminal->lock);
    return code;
}

void jf_terminal_restore(struct jf_terminal *terminal) {
    pthread_mutex_lock(&terminal->lock);
    if (terminal->raw_fd >= 0)
        tcsetattr(terminal->raw_fd, TCSADRAIN, &terminal->saved);
    terminal->raw_fd = -1;
    pthread_mutex_unlock(&terminal->lock);
}

int jf_terminal_columns(int fd) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0)
        return 0;
    return size.ws_col;
}
