// SPDX-License-Identifier: Apache-2.0
//
// Sending, as fast as the other side takes it or at a given pace.
#include <errno.h>
#include <poll.h>

#include "console/internal.h"

enum jf_code jf_console_put(struct jf_console *console, const char *bytes, size_t len,
                            size_t *ret_len, struct jf_error *err) {
    enum jf_code code = jf_stream_write(console->stream, bytes, len, ret_len, err);
    if (*ret_len > 0) {
        pthread_mutex_lock(&console->state);
        console->sent_bytes += *ret_len;
        if (console->transcript)
            jf_transcript_add(console->transcript, JF_SENT, bytes, *ret_len);
        pthread_mutex_unlock(&console->state);
    }
    return code;
}

// How much of a delay is caught up, in seconds: a board that needs a pace would lose part
// of a burst.
#define CATCH_UP_S 0.01

// How many of `len` bytes are due `elapsed_ns` after the first.
static size_t bytes_due(double cps, int64_t elapsed_ns, size_t len) {
    double due = (double)elapsed_ns / 1e9 * cps + 1;
    return due < (double)len ? (size_t)due : len;
}

// The instant at which the first byte would have been due, after `sent` of them and a delay.
static int64_t without_burst(double cps, int64_t start_ns, size_t sent) {
    int64_t latest_ns = jf_now_ns() - (int64_t)((double)sent / cps * 1e9 + CATCH_UP_S * 1e9);
    return latest_ns > start_ns ? latest_ns : start_ns;
}

// Waits until at least one more byte is due; *ret_due counts from the first.
static enum jf_code wait_due(double cps, int64_t start_ns, size_t sent, size_t len,
                             jf_deadline deadline, const struct jf_cancel *cancel, size_t *ret_due,
                             struct jf_error *err) {
    *ret_due = cps > 0 ? bytes_due(cps, jf_now_ns() - start_ns, len) : len;
    if (*ret_due > sent)
        return JF_OK;
    jf_deadline next = start_ns + (int64_t)((double)sent / cps * 1e9) + 1;
    enum jf_code code = jf_sleep_until(jf_deadline_min(next, deadline), cancel, err);
    if (code != JF_OK)
        return code;
    if (deadline < next)
        return jf_fail(err, JF_TIMEOUT, "timeout");
    *ret_due = bytes_due(cps, jf_now_ns() - start_ns, len);
    // Rounding may leave it a hair short of the instant it was meant for.
    *ret_due = *ret_due > sent ? *ret_due : sent + 1;
    return JF_OK;
}

static enum jf_code send_all(struct jf_console *console, const char *bytes, size_t len, double cps,
                             jf_deadline deadline, const struct jf_cancel *cancel, size_t *ret_sent,
                             struct jf_error *err) {
    int64_t start_ns = jf_now_ns();
    size_t sent = 0;
    enum jf_code code = JF_OK;
    while (sent < len && code == JF_OK) {
        size_t due;
        size_t put = 0;
        start_ns = cps > 0 ? without_burst(cps, start_ns, sent) : start_ns;
        code = wait_due(cps, start_ns, sent, len, deadline, cancel, &due, err);
        if (code == JF_OK)
            code = jf_console_put(console, bytes + sent, due - sent, &put, err);
        sent += put;
        if (code != JF_OK || put > 0)
            continue;
        // A stream that is held up by its protocol is ready all the same.
        if (jf_deadline_left_ns(deadline) == 0)
            code = jf_fail(err, JF_TIMEOUT, "timeout");
        else
            code = jf_wait_fd(console->stream->fd, POLLOUT, deadline, cancel, err);
    }
    *ret_sent = sent;
    return code;
}

enum jf_code jf_console_send(struct jf_console *console, const char *bytes, size_t len, double cps,
                             jf_deadline deadline, const struct jf_cancel *cancel,
                             struct jf_error *err) {
    int64_t start_ns = jf_now_ns();
    size_t sent;
    struct jf_error reason;
    enum jf_code code = send_all(console, bytes, len, cps, deadline, cancel, &sent, &reason);
    if (code == JF_OK)
        return JF_OK;
    if (code == JF_TIMEOUT)
        jf_fail(&reason, code, "timeout after %.1f s", (double)(jf_now_ns() - start_ns) / 1e9);
    jf_prefix(&reason, "%s: send: %zu of %zu bytes sent", console->name, sent, len);
    if (err)
        *err = reason;
    return code;
}

enum jf_code jf_console_send_break(struct jf_console *console, double seconds,
                                   const struct jf_cancel *cancel, struct jf_error *err) {
    struct jf_error reason;
    enum jf_code code = jf_stream_set_break(console->stream, true, cancel, &reason);
    // One who is cancelled has asked for it all the same, without an answer; so for its end.
    bool has_begun = code == JF_OK || code == JF_CANCELLED;
    if (code == JF_OK)
        code = jf_sleep_until(jf_deadline_in(seconds), cancel, &reason);
    if (has_begun) {
        enum jf_code ended =
            jf_stream_set_break(console->stream, false, cancel, code == JF_OK ? &reason : NULL);
        code = code == JF_OK ? ended : code;
    }
    if (code == JF_OK)
        return JF_OK;
    jf_prefix(&reason, "%s: break", console->name);
    if (err)
        *err = reason;
    return code;
}
