// SPDX-License-Identifier: Apache-2.0
//
// Waiting for a match, and the messages when it does not come.
#include <stdio.h>
#include <string.h>

#include "base/redact.h"
#include "console/escape.h"
#include "console/internal.h"
#include "console/matcher.h"

// Reads in a row before cancellation and deadline are looked at.
#define READS_PER_WAIT 16

#define PATTERNS_SHOWN 160
#define TAIL_SHOWN 200
// More than is shown, so that a secret is not cut before it is looked for.
#define TAIL_READ 2048

// Appends `expect "a", "b"`.
static void add_patterns(struct jf_buf *out, const struct jf_expectation *expectation) {
    jf_buf_addf(out, "expect");
    for (size_t i = 0; i < expectation->count - expectation->fail_count; i++) {
        const struct jf_pattern *pattern = &expectation->patterns[i];
        jf_buf_addf(out, "%s\"", i ? ", " : " ");
        jf_escape(out, pattern->text, pattern->len);
        jf_buf_addf(out, "\"");
        if (out->len > PATTERNS_SHOWN) {
            out->len = PATTERNS_SHOWN;
            jf_buf_addf(out, "…");
            return;
        }
    }
}

static bool tail_since_discard(struct jf_console *console, struct jf_buf *out) {
    pthread_mutex_lock(&console->state);
    const struct jf_window *window = &console->inbox.window;
    uint64_t start = console->forgotten > window->begin ? console->forgotten : window->begin;
    if (window->end - start > TAIL_READ)
        start = window->end - TAIL_READ;
    bool ok = jf_buf_add(out, jf_window_at(window, start), (size_t)(window->end - start));
    pthread_mutex_unlock(&console->state);
    return ok;
}

void jf_console_add_tail(struct jf_console *console, struct jf_error *err) {
    struct jf_buf text = {0};
    struct jf_buf shown = {0};
    struct jf_buf line = {0};
    if (tail_since_discard(console, &text) &&
        jf_redact(console->redactor, text.data, text.len, &shown) && shown.len > 0 &&
        jf_escape_tail(&line, shown.data, shown.len, TAIL_SHOWN)) {
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used, "; last output \"%s\"",
                 line.data);
    } else {
        strncat(err->message, "; no output", sizeof err->message - strlen(err->message) - 1);
    }
    jf_buf_free(&text);
    jf_buf_free(&shown);
    jf_buf_free(&line);
}

static void describe(struct jf_console *console, const struct jf_expectation *expectation,
                     int64_t start_ns, struct jf_error *err) {
    struct jf_buf what = {0};
    add_patterns(&what, expectation);
    const char *patterns = what.data ? what.data : "expect";
    if (err->code == JF_TIMEOUT)
        jf_fail(err, JF_TIMEOUT, "%s: %s: timeout after %.1f s", console->name, patterns,
                (double)(jf_now_ns() - start_ns) / 1e9);
    else
        jf_prefix(err, "%s: %s", console->name, patterns);
    jf_buf_free(&what);
    if (err->code != JF_CANCELLED && err->code != JF_PROTOCOL)
        jf_console_add_tail(console, err);
}

static bool begin(struct jf_console *console, struct jf_matcher *matcher, struct jf_match *match) {
    pthread_mutex_lock(&console->state);
    jf_inbox_wait(&console->inbox, matcher, match);
    bool settled = console->inbox.settled;
    pthread_mutex_unlock(&console->state);
    return settled;
}

static bool is_settled(struct jf_console *console) {
    pthread_mutex_lock(&console->state);
    bool settled = console->inbox.settled;
    pthread_mutex_unlock(&console->state);
    return settled;
}

// Takes the outcome of a wait that is settled; one that is not ends with `waited`.
static enum jf_code finish(struct jf_console *console, enum jf_code waited, struct jf_error *err) {
    pthread_mutex_lock(&console->state);
    enum jf_code code = waited;
    if (console->inbox.settled) {
        code = console->inbox.outcome;
        if (code != JF_OK)
            *err = console->inbox.error;
    }
    jf_inbox_stop(&console->inbox);
    pthread_mutex_unlock(&console->state);
    return code;
}

// Reads what is there already, without asking first whether there is something.
static void catch_up(struct jf_console *console) {
    for (unsigned i = 0; i < READS_PER_WAIT && !is_settled(console); i++) {
        if (!jf_console_step(console))
            break;
    }
}

// Reads until the wait is settled. A board that never stops talking is always
// ready, so the deadline is looked at here, too.
static enum jf_code read_on(struct jf_console *console, jf_deadline deadline,
                            const struct jf_cancel *cancel, struct jf_error *err) {
    jf_deadline bound = cancel ? jf_cancel_bound(cancel, deadline) : deadline;
    while (!is_settled(console)) {
        bool late = jf_deadline_left_ns(bound) == 0;
        enum jf_code code = jf_console_await(console, deadline, cancel, err);
        if (code != JF_OK)
            return code;
        catch_up(console);
        if (late && !is_settled(console))
            return jf_fail(err, JF_TIMEOUT, "timeout");
    }
    return JF_OK;
}

static enum jf_code wait_for(struct jf_console *console, struct jf_matcher *matcher,
                             jf_deadline deadline, const struct jf_cancel *cancel,
                             struct jf_match *match, struct jf_error *err) {
    enum jf_code code = JF_OK;
    if (!begin(console, matcher, match)) {
        jf_console_claim(console);
        code = read_on(console, deadline, cancel, err);
        jf_console_release(console);
    }
    return finish(console, code, err);
}

enum jf_code jf_console_expect(struct jf_console *console, const struct jf_expectation *expectation,
                               jf_deadline deadline, const struct jf_cancel *cancel,
                               struct jf_match *ret_match, struct jf_error *err) {
    int64_t start_ns = jf_now_ns();
    struct jf_error reason;
    struct jf_matcher *matcher = NULL;
    enum jf_code code =
        jf_matcher_new(expectation->patterns, expectation->count, &matcher, &reason);
    if (code == JF_OK) {
        code = wait_for(console, matcher, deadline, cancel, ret_match, &reason);
        jf_matcher_free(matcher);
    }
    if (code != JF_OK) {
        describe(console, expectation, start_ns, &reason);
        if (err)
            *err = reason;
    }
    return code;
}
