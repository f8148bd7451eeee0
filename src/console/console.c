// SPDX-License-Identifier: Apache-2.0
#include "console/console.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console/device.h"
#include "console/exec.h"
#include "console/internal.h"
#include "console/socket.h"
#include "console/telnet_stream.h"

// Reads in a row before the console's thread looks up.
#define STEPS_PER_WAIT 16
// How long a parked thread naps before it looks whether it is needed, and how
// often, before it waits to be told.
#define NAP_MS 5
#define NAPS 4

// After a loss all is dropped until the reader has noticed (it sets the count to 0),
// so that there is one gap, which can be told. The caller holds `state`.
static void tee(struct jf_console *console, const char *raw, size_t len) {
    if (console->tee_fd < 0)
        return;
    ssize_t put = console->tee_dropped > 0 ? 0 : write(console->tee_fd, raw, len);
    console->tee_dropped += len - (put > 0 ? (size_t)put : 0);
}

static void take_in(struct jf_console *console, const char *raw, size_t len) {
    pthread_mutex_lock(&console->state);
    console->received_bytes += len;
    if (console->transcript)
        jf_transcript_add(console->transcript, JF_RECEIVED, raw, len);
    tee(console, raw, len);
    struct jf_window *window = &console->inbox.window;
    while (len > 0) {
        uint64_t before = window->end;
        size_t used = jf_inbox_add(&console->inbox, raw, len);
        if (console->echo_fd >= 0)
            jf_echo_add(console, jf_window_at(window, before), (size_t)(window->end - before));
        raw += used;
        len -= used;
    }
    pthread_mutex_unlock(&console->state);
}

static void end(struct jf_console *console, const struct jf_error *why) {
    pthread_mutex_lock(&console->state);
    jf_inbox_end(&console->inbox, why);
    if (console->tee_fd >= 0)
        close(console->tee_fd);
    console->tee_fd = -1;
    pthread_mutex_unlock(&console->state);
}

// The caller holds `reading`.
static bool step(struct jf_console *console) {
    struct jf_error why;
    size_t len = 0;
    // Only written under both locks, so that one suffices to read it.
    if (console->inbox.ended)
        return false;
    enum jf_code code =
        jf_stream_read(console->stream, console->raw, sizeof console->raw, &len, &why);
    if (code != JF_OK)
        end(console, &why);
    else if (len > 0)
        take_in(console, console->raw, len);
    return len > 0;
}

bool jf_console_step(struct jf_console *console) {
    pthread_mutex_lock(&console->reading);
    bool got = step(console);
    pthread_mutex_unlock(&console->reading);
    return got;
}

// A terminal that hung up may report it without ever failing a read. The caller
// holds `reading`.
static void end_if_hung_up(struct jf_console *console) {
    struct pollfd now = {.fd = console->stream->fd, .events = POLLIN};
    struct jf_error why;
    if (console->inbox.ended || poll(&now, 1, 0) != 1 || (now.revents & POLLIN))
        return;
    jf_fail(&why, JF_CLOSED, "the other side hung up");
    end(console, &why);
}

// After the stream was found ready: takes in all there is, up to a bound that
// lets the caller look up. False when the stream has ended.
static bool read_ready(struct jf_console *console) {
    bool got = step(console);
    if (!got)
        end_if_hung_up(console);
    for (unsigned i = 0; got && i < STEPS_PER_WAIT; i++)
        got = step(console);
    return !console->inbox.ended;
}

static void set_claimed(struct jf_console *console, bool claimed) {
    pthread_mutex_lock(&console->reading);
    atomic_store(&console->claimed, claimed);
    bool wake = !claimed && console->asleep;
    if (wake)
        console->asleep = false;
    pthread_mutex_unlock(&console->reading);
    if (wake)
        jf_event_raise(&console->wake);
}

void jf_console_claim(struct jf_console *console) {
    set_claimed(console, true);
}

void jf_console_release(struct jf_console *console) {
    set_claimed(console, false);
}

enum jf_code jf_console_await(struct jf_console *console, jf_deadline deadline,
                              const struct jf_cancel *cancel, struct jf_error *err) {
    enum jf_code code = jf_wait_fd(console->stream->fd, POLLIN, deadline, cancel, err);
    if (code == JF_OK) {
        pthread_mutex_lock(&console->reading);
        if (!step(console))
            end_if_hung_up(console);
        pthread_mutex_unlock(&console->reading);
    }
    return code;
}

// Waits until the thread is woken, or the stream (-1: none) is ready, which it returns.
static bool doze(struct jf_console *console, int fd, int ms) {
    struct pollfd fds[] = {
        {.fd = console->wake.fd, .events = POLLIN},
        {.fd = fd, .events = POLLIN},
    };
    if (poll(fds, 2, ms) > 0 && fds[0].revents)
        jf_event_lower(&console->wake);
    return fds[1].revents != 0;
}

// True when the release will wake the thread.
static bool fall_asleep(struct jf_console *console) {
    pthread_mutex_lock(&console->reading);
    bool asleep = console->asleep = atomic_load(&console->claimed);
    pthread_mutex_unlock(&console->reading);
    return asleep;
}

// Stays off the stream while the job's thread reads it.
static void park(struct jf_console *console) {
    for (unsigned nap = 0; nap < NAPS && atomic_load(&console->claimed); nap++)
        doze(console, -1, NAP_MS);
    if (fall_asleep(console))
        doze(console, -1, -1);
}

static void *drain(void *argument) {
    struct jf_console *console = argument;
    for (bool open = true; open && !atomic_load(&console->closing);) {
        if (atomic_load(&console->claimed))
            park(console);
        // Looked at before the lock: the job's thread must not find it taken
        // when both were woken by the same bytes.
        else if (doze(console, console->stream->fd, -1) && !atomic_load(&console->claimed)) {
            pthread_mutex_lock(&console->reading);
            if (!atomic_load(&console->claimed))
                open = read_ready(console);
            pthread_mutex_unlock(&console->reading);
        }
    }
    return NULL;
}

static enum jf_code start_thread(struct jf_console *console, struct jf_error *err) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&console->thread, NULL, drain, console);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    console->has_thread = !failed;
    return failed ? jf_fail_errno(err, failed, "thread") : JF_OK;
}

static const char *after(const char *text, const char *prefix) {
    size_t len = strlen(prefix);
    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

// "ttyUSB0" for /dev/ttyUSB0, the file's name of a socket, HOST:PORT, a command.
static char *default_name(const char *where) {
    static const char *const prefixes[] = {
        "tcp:", "telnet:", "rfc2217://", "rfc2217:", "exec:", "/dev/",
    };
    const char *socket_path = after(where, "unix:");
    if (socket_path)
        return strdup(strrchr(socket_path, '/') ? strrchr(socket_path, '/') + 1 : socket_path);
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (after(where, prefixes[i]))
            return strdup(after(where, prefixes[i]));
    }
    return strdup(where);
}

static enum jf_code open_rfc2217(const char *address, const struct jf_line *line,
                                 jf_deadline deadline, const struct jf_cancel *cancel,
                                 struct jf_stream **ret_stream, struct jf_error *err) {
    const char *url_address = after(address, "//");
    return jf_rfc2217_open(url_address ? url_address : address, line, deadline, cancel, ret_stream,
                           err);
}

static enum jf_code open_stream(const char *where, const struct jf_console_options *options,
                                jf_deadline deadline, const struct jf_cancel *cancel,
                                struct jf_stream **ret_stream, struct jf_error *err) {
    const char *rest;
    if ((rest = after(where, "unix:")))
        return jf_unix_open(rest, deadline, cancel, ret_stream, err);
    if ((rest = after(where, "tcp:")))
        return jf_tcp_open(rest, deadline, cancel, ret_stream, err);
    if ((rest = after(where, "telnet:")))
        return jf_telnet_open(rest, deadline, cancel, ret_stream, err);
    if ((rest = after(where, "rfc2217:")))
        return open_rfc2217(rest, &options->line, deadline, cancel, ret_stream, err);
    if ((rest = after(where, "exec:")))
        return jf_exec_open(rest, ret_stream, err);
    if (jf_device_is_name(where))
        return jf_tty_open(where, &options->line, ret_stream, err);
    return jf_fail(err, JF_UNSUPPORTED,
                   "\"%.100s\" is none of unix:PATH, tcp:HOST:PORT, telnet:HOST:PORT, "
                   "rfc2217:HOST:PORT, exec:COMMAND, usb:SERIAL, usb-path:PATH, "
                   "usb-id:VENDOR:PRODUCT or an absolute path",
                   where);
}

static struct jf_console *new_console(const char *where, const struct jf_console_options *options) {
    struct jf_console *console = calloc(1, sizeof *console);
    if (!console)
        return NULL;
    console->wake.fd = console->echo_fd = console->tee_fd = -1;
    console->redactor = options->redactor;
    console->line = options->line;
    pthread_mutex_init(&console->reading, NULL);
    pthread_mutex_init(&console->state, NULL);
    console->name = options->name ? strdup(options->name) : default_name(where);
    if (console->name && jf_inbox_open(&console->inbox, options->window_bytes))
        return console;
    jf_console_close(console);
    return NULL;
}

enum jf_code jf_console_open(const char *where, const struct jf_console_options *options,
                             jf_deadline deadline, const struct jf_cancel *cancel,
                             struct jf_console **ret_console, struct jf_error *err) {
    struct jf_error reason;
    struct jf_console *console = new_console(where, options);
    if (!console)
        return jf_fail(err, JF_LIMIT, "%s: not enough memory", where);
    enum jf_code code = open_stream(where, options, deadline, cancel, &console->stream, &reason);
    if (code == JF_OK)
        code = jf_event_open(&console->wake, &reason);
    // What came while the stream was opened does not make the descriptor ready. Read before
    // the thread is there: behind a claim it would take bytes that another waits for.
    if (code == JF_OK)
        jf_console_step(console);
    if (code == JF_OK)
        code = start_thread(console, &reason);
    if (code == JF_OK) {
        *ret_console = console;
        return JF_OK;
    }
    jf_prefix(&reason, "%s", console->name);
    jf_console_close(console);
    if (err)
        *err = reason;
    return code;
}

void jf_console_close(struct jf_console *console) {
    if (!console)
        return;
    if (console->has_thread) {
        atomic_store(&console->closing, true);
        jf_event_raise(&console->wake);
        pthread_join(console->thread, NULL);
    }
    jf_live_forget(console->live);
    jf_transcript_close(console->transcript);
    jf_stream_close(console->stream);
    jf_event_close(&console->wake);
    jf_inbox_close(&console->inbox);
    jf_redact_stream_free(&console->echo_stream);
    jf_buf_free(&console->echo_text);
    pthread_mutex_destroy(&console->state);
    pthread_mutex_destroy(&console->reading);
    free(console->name);
    free(console);
}

void jf_console_discard(struct jf_console *console, const struct jf_cancel *cancel) {
    jf_stream_purge(console->stream, cancel);
    // A board that never stops talking must not keep us here.
    jf_deadline deadline = jf_deadline_in(0.1);
    while (jf_console_step(console) && jf_deadline_left_ns(deadline) > 0)
        continue;
    pthread_mutex_lock(&console->state);
    jf_inbox_discard(&console->inbox);
    console->forgotten = console->inbox.window.end;
    pthread_mutex_unlock(&console->state);
}

// Appends the text from `start` on; the caller holds `state`.
static bool add_text(const struct jf_console *console, uint64_t start, struct jf_buf *out) {
    const struct jf_window *window = &console->inbox.window;
    return jf_buf_add(out, jf_window_at(window, start), (size_t)(window->end - start));
}

bool jf_console_tail(struct jf_console *console, size_t max, struct jf_buf *out) {
    jf_console_step(console);
    pthread_mutex_lock(&console->state);
    const struct jf_window *window = &console->inbox.window;
    uint64_t start = window->begin;
    if (window->end - start > max)
        start = window->end - max;
    bool ok = add_text(console, start, out);
    pthread_mutex_unlock(&console->state);
    return ok;
}

bool jf_console_pending(struct jf_console *console, struct jf_buf *out) {
    jf_console_step(console);
    pthread_mutex_lock(&console->state);
    bool ok = add_text(console, jf_window_unread(&console->inbox.window), out);
    pthread_mutex_unlock(&console->state);
    return ok;
}

static enum jf_code open_transcript(const struct jf_console *console, const char *path,
                                    struct jf_transcript **ret_transcript, struct jf_error *err) {
    struct jf_error reason;
    enum jf_code code =
        jf_transcript_open(path, console->name, console->redactor, ret_transcript, &reason);
    if (code == JF_OK)
        return JF_OK;
    jf_prefix(&reason, "%s", console->name);
    if (err)
        *err = reason;
    return code;
}

enum jf_code jf_console_transcript(struct jf_console *console, const char *path,
                                   struct jf_error *err) {
    struct jf_transcript *transcript = NULL;
    enum jf_code code = path ? open_transcript(console, path, &transcript, err) : JF_OK;
    if (code != JF_OK)
        return code;
    pthread_mutex_lock(&console->state);
    struct jf_transcript *previous = console->transcript;
    console->transcript = transcript;
    pthread_mutex_unlock(&console->state);
    jf_transcript_close(previous);
    return JF_OK;
}

struct jf_console_stats jf_console_stats(struct jf_console *console) {
    pthread_mutex_lock(&console->state);
    struct jf_console_stats stats = {
        .received_bytes = console->received_bytes,
        .sent_bytes = console->sent_bytes,
        .dropped_bytes = console->inbox.window.dropped,
    };
    if (console->transcript)
        stats.transcript = *jf_transcript_failure(console->transcript);
    pthread_mutex_unlock(&console->state);
    return stats;
}
