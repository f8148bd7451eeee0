// SPDX-License-Identifier: Apache-2.0
//
// The live terminal. The console's thread tees what it receives into a pipe and
// never waits for it; this loop, on the job's thread, copies from there to the
// output and from the input to the stream.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "console/internal.h"
#include "sys/terminal.h"

#define PIPE_SIZE (1 << 20)
#define BUFFER_SIZE 4096
// How long typed bytes may wait for the board once the input has ended.
#define FLUSH_S 10.0

// Bytes on their way to a descriptor.
struct pending {
    char bytes[BUFFER_SIZE];
    size_t start;
    size_t end;
};

struct attach {
    struct jf_console *console;
    const struct jf_attachment *at;
    int received_fd; // read end of the tee's pipe
    bool received_ended;
    bool input_ended;
    struct pending to_board;
    struct pending to_person;
    jf_deadline deadline; // JF_NEVER until the input has ended
};

static bool is_empty(const struct pending *pending) {
    return pending->start == pending->end;
}

static void advance(struct pending *pending, size_t len) {
    pending->start += len;
    if (is_empty(pending))
        pending->start = pending->end = 0;
}

static enum jf_code open_tee(struct attach *attach, struct jf_error *err) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return jf_fail_errno(err, errno, "pipe");
    // The default of 64 KiB does, if a limit of the system refuses more.
    fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE);
    struct jf_console *console = attach->console;
    attach->received_fd = fds[0];
    pthread_mutex_lock(&console->state);
    console->tee_dropped = 0;
    if (console->inbox.ended)
        close(fds[1]);
    else
        console->tee_fd = fds[1];
    pthread_mutex_unlock(&console->state);
    return JF_OK;
}

static void close_tee(struct attach *attach) {
    struct jf_console *console = attach->console;
    pthread_mutex_lock(&console->state);
    if (console->tee_fd >= 0)
        close(console->tee_fd);
    console->tee_fd = -1;
    pthread_mutex_unlock(&console->state);
    close(attach->received_fd);
}

static uint64_t take_dropped(struct jf_console *console) {
    pthread_mutex_lock(&console->state);
    uint64_t dropped = console->tee_dropped;
    console->tee_dropped = 0;
    pthread_mutex_unlock(&console->state);
    return dropped;
}

// The output was too slow: says so where the bytes would have been.
static void note_dropped(struct attach *attach) {
    uint64_t dropped = take_dropped(attach->console);
    if (!dropped)
        return;
    struct pending *out = &attach->to_person;
    int len = snprintf(out->bytes, sizeof out->bytes, "\r\n[%llu bytes not shown]\r\n",
                       (unsigned long long)dropped);
    out->end = len > 0 ? (size_t)len : 0;
}

static void receive(struct attach *attach) {
    struct pending *out = &attach->to_person;
    ssize_t got = read(attach->received_fd, out->bytes, sizeof out->bytes);
    if (got > 0)
        out->end = (size_t)got;
    else if (got == 0)
        attach->received_ended = true;
    else
        note_dropped(attach); // the pipe is empty: what is lost belongs here
}

// False when the output, though ready, takes nothing: it is full or gone.
static bool show(struct attach *attach) {
    struct pending *out = &attach->to_person;
    errno = EAGAIN;
    size_t put =
        jf_write_ready(attach->at->output_fd, out->bytes + out->start, out->end - out->start);
    advance(out, put);
    return put > 0 || errno == EAGAIN || errno == EINTR;
}

// Reads what was typed; true at the escape byte.
static bool read_input(struct attach *attach) {
    struct pending *in = &attach->to_board;
    ssize_t got = read(attach->at->input_fd, in->bytes + in->end, sizeof in->bytes - in->end);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) {
        attach->input_ended = true;
        attach->deadline = jf_deadline_in(FLUSH_S);
        return false;
    }
    const char *escape = memchr(in->bytes + in->end, attach->at->escape, (size_t)got);
    in->end = escape ? (size_t)(escape - in->bytes) : in->end + (size_t)got;
    return escape != NULL;
}

static enum jf_code send_input(struct attach *attach, struct jf_error *err) {
    struct pending *in = &attach->to_board;
    size_t put;
    enum jf_code code =
        jf_console_put(attach->console, in->bytes + in->start, in->end - in->start, &put, err);
    advance(in, put);
    if (in->start > 0) {
        memmove(in->bytes, in->bytes + in->start, in->end - in->start);
        in->end -= in->start;
        in->start = 0;
    }
    return code;
}

enum { INPUT, OUTPUT, RECEIVED, BOARD, CANCEL, FD_COUNT };

static void prepare(const struct attach *attach, const struct jf_cancel *cancel,
                    struct pollfd fds[FD_COUNT]) {
    bool room = attach->to_board.end < sizeof attach->to_board.bytes;
    bool showing = !is_empty(&attach->to_person);
    bool sending = !is_empty(&attach->to_board);
    fds[INPUT] = (struct pollfd){.fd = attach->input_ended || !room ? -1 : attach->at->input_fd,
                                 .events = POLLIN};
    fds[OUTPUT] = (struct pollfd){.fd = showing ? attach->at->output_fd : -1, .events = POLLOUT};
    fds[RECEIVED] = (struct pollfd){.fd = showing ? -1 : attach->received_fd, .events = POLLIN};
    fds[BOARD] =
        (struct pollfd){.fd = sending ? attach->console->stream->fd : -1, .events = POLLOUT};
    fds[CANCEL] = (struct pollfd){.fd = jf_cancel_fd(cancel), .events = POLLIN};
}

// Waits until something can be done.
static enum jf_code wait_ready(const struct attach *attach, const struct jf_cancel *cancel,
                               struct pollfd fds[FD_COUNT], struct jf_error *err) {
    prepare(attach, cancel, fds);
    jf_deadline bound = jf_cancel_bound(cancel, attach->deadline);
    int ready = poll(fds, FD_COUNT, jf_deadline_left_ms(bound));
    if (ready < 0) {
        memset(fds, 0, FD_COUNT * sizeof *fds);
        return errno == EINTR ? JF_OK : jf_fail_errno(err, errno, "poll");
    }
    if (fds[CANCEL].revents)
        return jf_cancel_check(cancel, err);
    if (ready == 0 && jf_deadline_left_ns(bound) == 0)
        return jf_fail(err, JF_TIMEOUT, "the board does not take what was typed: timeout");
    return JF_OK;
}

static enum jf_code copy_to_person(struct attach *attach, const struct pollfd fds[FD_COUNT],
                                   struct jf_error *err) {
    bool is_gone = fds[OUTPUT].revents & (POLLERR | POLLHUP | POLLNVAL);
    if (is_gone || (fds[OUTPUT].revents && !show(attach)))
        return jf_fail(err, JF_IO, "the output cannot be written");
    if (fds[RECEIVED].revents)
        receive(attach);
    return JF_OK;
}

static enum jf_code copy_to_board(struct attach *attach, const struct pollfd fds[FD_COUNT],
                                  bool *ret_escaped, struct jf_error *err) {
    *ret_escaped = fds[INPUT].revents && read_input(attach);
    if (is_empty(&attach->to_board) || !(fds[BOARD].revents || *ret_escaped))
        return JF_OK;
    enum jf_code code = send_input(attach, err);
    if (code != JF_CLOSED)
        return code;
    // A hang-up is the reader's to report, behind the last bytes received.
    attach->to_board.end = 0;
    return JF_OK;
}

// One round; true when it is over, with *ret_end or an error.
static bool round_ends(struct attach *attach, const struct jf_cancel *cancel,
                       enum jf_attach_end *ret_end, enum jf_code *ret_code, struct jf_error *err) {
    struct pollfd fds[FD_COUNT];
    bool escaped = false;
    *ret_code = wait_ready(attach, cancel, fds, err);
    if (*ret_code == JF_OK)
        *ret_code = copy_to_person(attach, fds, err);
    if (*ret_code == JF_OK)
        *ret_code = copy_to_board(attach, fds, &escaped, err);
    bool all_sent = attach->input_ended && is_empty(&attach->to_board);
    if (escaped)
        *ret_end = JF_ATTACH_ESCAPE;
    else
        *ret_end = attach->received_ended ? JF_ATTACH_CLOSED : JF_ATTACH_EOF;
    return *ret_code != JF_OK || escaped || attach->received_ended || all_sent;
}

enum jf_code jf_console_attach(struct jf_console *console, const struct jf_attachment *attachment,
                               struct jf_terminal *terminal, const struct jf_cancel *cancel,
                               enum jf_attach_end *ret_end, struct jf_error *err) {
    struct attach attach = {.console = console, .at = attachment, .deadline = JF_NEVER};
    struct jf_error reason;
    enum jf_code code = open_tee(&attach, &reason);
    if (code == JF_OK) {
        code = jf_terminal_raw(terminal, attachment->input_fd, &reason);
        if (code == JF_UNSUPPORTED)
            code = JF_OK; // a pipe or a file needs no raw mode
        while (code == JF_OK && !round_ends(&attach, cancel, ret_end, &code, &reason))
            continue;
        jf_terminal_restore(terminal);
        close_tee(&attach);
    }
    if (code == JF_OK)
        return JF_OK;
    jf_prefix(&reason, "%s: attach", console->name);
    if (err)
        *err = reason;
    return code;
}
