// SPDX-License-Identifier: Apache-2.0
//
// Showing what is received on somebody else's descriptor, best effort.
#include <poll.h>
#include <unistd.h>

#include "console/internal.h"

// poll(2) promises a pipe takes 4096 bytes and a terminal rather less; a longer
// write could wait for the reader.
#define PIECE 512

size_t jf_write_ready(int fd, const char *bytes, size_t len) {
    size_t done = 0;
    while (done < len) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
            break;
        size_t piece = len - done < PIECE ? len - done : PIECE;
        ssize_t put = write(fd, bytes + done, piece);
        if (put <= 0)
            break;
        done += (size_t)put;
    }
    return done;
}

static void show(struct jf_console *console, const char *text, size_t len, bool flush) {
    console->echo_text.len = 0;
    if (jf_redact_stream_add(console->redactor, &console->echo_stream, text, len, flush,
                             &console->echo_text))
        jf_write_ready(console->echo_fd, console->echo_text.data, console->echo_text.len);
}

void jf_echo_add(struct jf_console *console, const char *text, size_t len) {
    show(console, text, len, false);
}

void jf_console_echo(struct jf_console *console, int fd) {
    pthread_mutex_lock(&console->state);
    if (console->echo_fd >= 0)
        show(console, "", 0, true);
    console->echo_fd = fd;
    pthread_mutex_unlock(&console->state);
}
