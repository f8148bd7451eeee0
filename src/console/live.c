// SPDX-License-Identifier: Apache-2.0
//
// The console's thread tees what it receives into a pipe and never waits for it;
// this loop, on the job's thread, copies from there to the output and from the
// input to the stream.
#include "console/live.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console/internal.h"
#include "sys/fd.h"
#include "sys/terminal.h"

#define PIPE_SIZE (1 << 20)
#define BUFFER_SIZE 4096
// How long typed bytes may wait for the board once the input has ended.
#define FLUSH_S 10.0

// Bytes on their way to somewhere.
struct pending {
    char bytes[BUFFER_SIZE];
    size_t start;
    size_t end;
};

struct jf_live {
    struct jf_console *console; // NULL once that has ended
    struct jf_live_options options;
    int received_fd; // read end of the tee's pipe
    int resize_fd;   // readable when the terminal's size has changed
    bool received_ended;
    bool input_ended;
    struct pending typed; // by the person, not yet looked at
    struct pending to_board;
    struct pending to_person;
    jf_deadline flush; // JF_NEVER until the input has ended
};

static bool is_empty(const struct pending *pending) {
    return pending->start == pending->end;
}

static void advance(struct pending *pending, size_t len) {
    pending->start += len;
    if (is_empty(pending))
        pending->start = pending->end = 0;
}

static size_t room_in(struct pending *pending) {
    if (pending->start > 0) {
        memmove(pending->bytes, pending->bytes + pending->start, pending->end - pending->start);
        pending->end -= pending->start;
        pending->start = 0;
    }
    return sizeof pending->bytes - pending->end;
}

static enum jf_code open_tee(struct jf_live *live, struct jf_error *err) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return jf_fail_errno(err, errno, "pipe");
    // The default of 64 KiB does, if a limit of the system refuses more.
    fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE);
    struct jf_console *console = live->console;
    live->received_fd = fds[0];
    pthread_mutex_lock(&console->state);
    console->tee_dropped = 0;
    if (console->inbox.ended)
        close(fds[1]);
    else
        console->tee_fd = fds[1];
    pthread_mutex_unlock(&console->state);
    return JF_OK;
}

static void close_tee(struct jf_console *console) {
    pthread_mutex_lock(&console->state);
    jf_fd_close(&console->tee_fd);
    pthread_mutex_unlock(&console->state);
}

static uint64_t take_dropped(struct jf_console *console) {
    pthread_mutex_lock(&console->state);
    uint64_t dropped = console->tee_dropped;
    console->tee_dropped = 0;
    pthread_mutex_unlock(&console->state);
    return dropped;
}

static bool has_dropped(const struct jf_live *live) {
    pthread_mutex_lock(&live->console->state);
    bool dropped = live->console->tee_dropped > 0;
    pthread_mutex_unlock(&live->console->state);
    return dropped;
}

// The output was too slow: says so where the bytes would have been. False when
// nothing was lost.
static bool note_dropped(struct jf_live *live) {
    uint64_t dropped = take_dropped(live->console);
    if (!dropped)
        return false;
    struct pending *out = &live->to_person;
    int len = snprintf(out->bytes, sizeof out->bytes, "\r\n[%llu bytes not shown]\r\n",
                       (unsigned long long)dropped);
    out->end = len > 0 ? (size_t)len : 0;
    return true;
}

static void receive(struct jf_live *live) {
    struct pending *out = &live->to_person;
    ssize_t got = read(live->received_fd, out->bytes, sizeof out->bytes);
    if (got > 0)
        out->end = (size_t)got;
    else if (!note_dropped(live) && got == 0) // empty: what is lost belongs here
        live->received_ended = true;
}

// False when the output, though ready, takes nothing: it is full or gone.
static bool show(struct jf_live *live) {
    struct pending *out = &live->to_person;
    errno = EAGAIN;
    size_t put =
        jf_write_ready(live->options.output_fd, out->bytes + out->start, out->end - out->start);
    advance(out, put);
    return put > 0 || errno == EAGAIN || errno == EINTR;
}

static void read_input(struct jf_live *live) {
    struct pending *typed = &live->typed;
    size_t room = room_in(typed);
    ssize_t got = read(live->options.input_fd, typed->bytes + typed->end, room);
    if (got > 0) {
        typed->end += (size_t)got;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        live->input_ended = true;
        live->flush = jf_deadline_in(FLUSH_S);
    }
}

// Moves what was typed on its way to the board, up to the escape byte; true when
// that was there.
static bool take_typed(struct jf_live *live) {
    struct pending *typed = &live->typed, *out = &live->to_board;
    const char *from = typed->bytes + typed->start;
    size_t count = typed->end - typed->start;
    const char *escape = memchr(from, live->options.escape, count);
    size_t plain = escape ? (size_t)(escape - from) : count;
    size_t room = room_in(out);
    size_t moved = plain < room ? plain : room;
    memcpy(out->bytes + out->end, from, moved);
    out->end += moved;
    bool escaped = escape && moved == plain;
    advance(typed, moved + (escaped ? 1 : 0));
    return escaped;
}

static enum jf_code send_typed(struct jf_live *live, struct jf_error *err) {
    struct pending *out = &live->to_board;
    size_t put;
    enum jf_code code =
        jf_console_put(live->console, out->bytes + out->start, out->end - out->start, &put, err);
    advance(out, put);
    if (code != JF_CLOSED)
        return code;
    // A hang-up is the reader's to report, behind the last bytes received.
    advance(out, out->end - out->start);
    return JF_OK;
}

enum { INPUT, OUTPUT, RECEIVED, BOARD, RESIZE, CANCEL, FD_COUNT };

static void prepare(const struct jf_live *live, const struct jf_cancel *cancel,
                    struct pollfd fds[FD_COUNT]) {
    bool reading = !live->input_ended && is_empty(&live->typed);
    bool showing = !is_empty(&live->to_person);
    bool sending = !is_empty(&live->to_board);
    fds[INPUT] = (struct pollfd){.fd = reading ? live->options.input_fd : -1, .events = POLLIN};
    fds[OUTPUT] = (struct pollfd){.fd = showing ? live->options.output_fd : -1, .events = POLLOUT};
    fds[RECEIVED] = (struct pollfd){.fd = showing ? -1 : live->received_fd, .events = POLLIN};
    fds[BOARD] = (struct pollfd){.fd = sending ? live->console->stream->fd : -1, .events = POLLOUT};
    fds[RESIZE] = (struct pollfd){.fd = live->resize_fd, .events = POLLIN};
    fds[CANCEL] = (struct pollfd){.fd = jf_cancel_fd(cancel), .events = POLLIN};
}

// Whether something that was typed can go on its way at once.
static bool has_work(const struct jf_live *live) {
    size_t waiting = live->to_board.end - live->to_board.start;
    return !is_empty(&live->typed) && waiting < sizeof live->to_board.bytes;
}

// Waits until something can be done, but not past the bounds of live and cancel.
static enum jf_code wait_ready(const struct jf_live *live, jf_deadline deadline,
                               const struct jf_cancel *cancel, struct pollfd fds[FD_COUNT],
                               struct jf_error *err) {
    prepare(live, cancel, fds);
    jf_deadline bound = jf_cancel_bound(cancel, jf_deadline_min(live->flush, deadline));
    int ready = poll(fds, FD_COUNT, has_work(live) ? 0 : jf_deadline_left_ms(bound));
    if (ready < 0) {
        memset(fds, 0, FD_COUNT * sizeof *fds);
        return errno == EINTR ? JF_OK : jf_fail_errno(err, errno, "poll");
    }
    if (fds[CANCEL].revents)
        return jf_cancel_check(cancel, err);
    if (ready == 0 && jf_deadline_left_ns(live->flush) == 0)
        return jf_fail(err, JF_TIMEOUT, "the board does not take what was typed: timeout");
    return JF_OK;
}

static enum jf_code copy_to_person(struct jf_live *live, const struct pollfd fds[FD_COUNT],
                                   struct jf_error *err) {
    bool is_gone = fds[OUTPUT].revents & (POLLERR | POLLHUP | POLLNVAL);
    if (is_gone || (fds[OUTPUT].revents && !show(live)))
        return jf_fail(err, JF_IO, "the output cannot be written");
    // An empty pipe is never ready, but after a loss its end has to be found.
    if (fds[RECEIVED].revents || (is_empty(&live->to_person) && has_dropped(live)))
        receive(live);
    return JF_OK;
}

// What is left on the line goes out in a later round when the board takes no more.
static enum jf_code copy_to_board(struct jf_live *live, const struct pollfd fds[FD_COUNT],
                                  bool *ret_escaped, struct jf_error *err) {
    if (fds[INPUT].revents)
        read_input(live);
    *ret_escaped = take_typed(live);
    if (is_empty(&live->to_board) || !(fds[BOARD].revents || *ret_escaped))
        return JF_OK;
    return send_typed(live, err);
}

// The end that the state and the events of a round mean; false when there is none.
static bool find_end(const struct jf_live *live, const struct pollfd fds[FD_COUNT], bool escaped,
                     jf_deadline deadline, enum jf_live_end *ret_end) {
    bool all_sent = live->input_ended && is_empty(&live->typed) && is_empty(&live->to_board);
    if (escaped)
        *ret_end = JF_LIVE_ESCAPE;
    else if (live->received_ended)
        *ret_end = JF_LIVE_CLOSED;
    else if (all_sent)
        *ret_end = JF_LIVE_EOF;
    else if (fds[RESIZE].revents)
        *ret_end = JF_LIVE_RESIZED;
    else if (jf_deadline_left_ns(deadline) == 0)
        *ret_end = JF_LIVE_TIMEOUT;
    else
        return false;
    return true;
}

static enum jf_code copy(struct jf_live *live, jf_deadline deadline, const struct jf_cancel *cancel,
                         enum jf_live_end *ret_end, struct jf_error *err) {
    struct pollfd fds[FD_COUNT];
    bool escaped = false;
    enum jf_code code = JF_OK;
    do {
        code = wait_ready(live, deadline, cancel, fds, err);
        if (code == JF_OK)
            code = copy_to_person(live, fds, err);
        if (code == JF_OK)
            code = copy_to_board(live, fds, &escaped, err);
    } while (code == JF_OK && !find_end(live, fds, escaped, deadline, ret_end));
    if (code == JF_OK && *ret_end == JF_LIVE_RESIZED)
        jf_terminal_take_resize(live->resize_fd);
    return code;
}

static enum jf_code make_raw(struct jf_live *live, struct jf_error *err) {
    enum jf_code code = jf_terminal_raw(live->options.terminal, live->options.input_fd, err);
    return code == JF_UNSUPPORTED ? JF_OK : code; // a pipe or a file needs no raw mode
}

enum jf_code jf_live_run(struct jf_live *live, jf_deadline deadline, const struct jf_cancel *cancel,
                         enum jf_live_end *ret_end, struct jf_error *err) {
    if (!live->console) {
        *ret_end = JF_LIVE_CLOSED;
        return JF_OK;
    }
    struct jf_error reason;
    enum jf_code code = make_raw(live, &reason);
    if (code == JF_OK)
        code = copy(live, deadline, cancel, ret_end, &reason);
    if (code == JF_OK)
        return JF_OK;
    jf_live_rest(live);
    jf_prefix(&reason, "%s: attach", live->console->name);
    if (err)
        *err = reason;
    return code;
}

enum jf_code jf_live_key(struct jf_live *live, jf_deadline deadline, const struct jf_cancel *cancel,
                         char *ret_key, struct jf_error *err) {
    enum jf_code code = make_raw(live, err);
    while (code == JF_OK && is_empty(&live->typed)) {
        if (live->input_ended)
            return jf_fail(err, JF_CLOSED, "the input ended");
        code = jf_wait_fd(live->options.input_fd, POLLIN, deadline, cancel, err);
        if (code == JF_OK)
            read_input(live);
    }
    if (code != JF_OK)
        return code;
    *ret_key = live->typed.bytes[live->typed.start];
    advance(&live->typed, 1);
    return JF_OK;
}

void jf_live_rest(struct jf_live *live) {
    jf_terminal_restore(live->options.terminal);
}

enum jf_code jf_live_open(struct jf_console *console, const struct jf_live_options *options,
                          struct jf_live **ret_live, struct jf_error *err) {
    if (console->live)
        return jf_fail(err, JF_LIMIT, "%s: there is a live terminal already", console->name);
    struct jf_live *live = calloc(1, sizeof *live);
    if (!live)
        return jf_fail(err, JF_LIMIT, "%s: not enough memory", console->name);
    live->console = console;
    live->options = *options;
    live->received_fd = -1;
    live->flush = JF_NEVER;
    // Without it the size is told at the beginning alone.
    live->resize_fd = jf_terminal_watch_size();
    enum jf_code code = open_tee(live, err);
    if (code != JF_OK) {
        jf_live_close(live);
        return code;
    }
    console->live = live;
    *ret_live = live;
    return JF_OK;
}

void jf_live_forget(struct jf_live *live) {
    if (!live)
        return;
    close_tee(live->console);
    live->console->live = NULL;
    live->console = NULL;
}

void jf_live_close(struct jf_live *live) {
    if (!live)
        return;
    jf_live_rest(live);
    if (live->console)
        jf_live_forget(live);
    jf_fd_close(&live->received_fd);
    jf_fd_close(&live->resize_fd);
    free(live);
}
