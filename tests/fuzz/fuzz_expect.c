// SPDX-License-Identifier: Apache-2.0
//
// Feeds the inbox (filter, window, matcher) in pieces of random sizes, waiting
// again after each match, and compares with a plain model: the whole text cleaned
// at once and searched by memmem.
//
// Input: window size, seed of the piece sizes, number of patterns, per pattern
// its length and bytes; the rest is what the board sends.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "console/inbox.h"

#define MAX_PATTERNS 4
#define MAX_PATTERN 8
#define MAX_RAW 20000

struct input {
    size_t window;
    uint32_t seed;
    struct jf_pattern patterns[MAX_PATTERNS];
    size_t pattern_count;
    bool is_plain; // all patterns are plain texts
    const char *raw;
    size_t raw_len;
};

struct model {
    char *text; // all that the board sent, cleaned
    size_t len;
    size_t consumed;
};

static void check(bool ok) {
    if (!ok)
        abort();
}

static const struct jf_pattern expressions[] = {
    {"re:[a-c]+x", 10}, {"re:^b$", 6}, {"re:(=>|#) ", 10}, {"re:a(b)?\\n", 10}};

static size_t take(const uint8_t **data, size_t *size, size_t modulus) {
    if (*size == 0)
        return 0;
    size_t value = **data % modulus;
    ++*data;
    --*size;
    return value;
}

static void read_pattern(struct input *input, const uint8_t **data, size_t *size) {
    struct jf_pattern *pattern = &input->patterns[input->pattern_count];
    size_t len = take(data, size, MAX_PATTERN + 2);
    if (len == 0) {
        *pattern = expressions[take(data, size, sizeof expressions / sizeof *expressions)];
        input->is_plain = false;
    } else {
        len = len < *size ? len : *size;
        *pattern = (struct jf_pattern){(const char *)*data, len};
        *data += len;
        *size -= len;
    }
    // Expressions of the fuzzer's own would only test PCRE2.
    bool is_own = len >= 3 && memcmp(pattern->text, "re:", 3) == 0;
    input->pattern_count += pattern->len > 0 && !is_own;
}

static struct input parse(const uint8_t *data, size_t size) {
    struct input input = {.is_plain = true};
    static const size_t windows[] = {1, 7, 64, 8192, 2 * MAX_RAW};
    input.window = windows[take(&data, &size, sizeof windows / sizeof *windows)];
    input.seed = (uint32_t)take(&data, &size, 256) + 1;
    size_t count = take(&data, &size, MAX_PATTERNS) + 1;
    for (size_t i = 0; i < count; i++)
        read_pattern(&input, &data, &size);
    input.raw = (const char *)data;
    input.raw_len = size < MAX_RAW ? size : MAX_RAW;
    return input;
}

static size_t next_piece(struct input *input, size_t left) {
    input->seed = input->seed * 1664525u + 1013904223u;
    size_t piece = (input->seed >> 16) % ((input->seed >> 8) % 5 ? 9 : 5000) + 1;
    return piece < left ? piece : left;
}

// The earliest end of any pattern behind `consumed`; 0 when there is none.
static size_t naive(const struct input *input, const struct model *model, size_t *ret_index) {
    size_t best_end = 0;
    for (size_t i = 0; i < input->pattern_count; i++) {
        const struct jf_pattern *pattern = &input->patterns[i];
        const char *hit = memmem(model->text + model->consumed, model->len - model->consumed,
                                 pattern->text, pattern->len);
        if (!hit)
            continue;
        size_t end = (size_t)(hit - model->text) + pattern->len;
        bool longer = best_end == end && pattern->len > input->patterns[*ret_index].len;
        if (!best_end || end < best_end || longer) {
            best_end = end;
            *ret_index = i;
        }
    }
    return best_end;
}

static void check_match(const struct input *input, struct model *model,
                        const struct jf_inbox *inbox, const struct jf_match *match) {
    size_t end = inbox->window.consumed;
    size_t start = end - match->text.len;
    check(end <= model->len && start >= model->consumed);
    check(memcmp(model->text + start, match->text.data, match->text.len) == 0);
    check(match->before.len <= start - model->consumed);
    check(memcmp(model->text + start - match->before.len,
                 match->before.len ? match->before.data : "", match->before.len) == 0);
    check(match->truncated == (match->before.len < start - model->consumed) ||
          match->text.len < input->patterns[match->index].len);
    if (input->is_plain && input->window > MAX_RAW) {
        size_t index = 0;
        check(naive(input, model, &index) == end && index == match->index);
        check(!match->truncated);
    }
    model->consumed = end;
}

// Starts waits as long as what is there settles them at once.
static struct jf_matcher *wait_on(const struct input *input, struct model *model,
                                  struct jf_inbox *inbox, struct jf_match *match,
                                  struct jf_matcher *matcher, size_t *kept) {
    while (!matcher || inbox->settled) {
        if (matcher) {
            check(inbox->outcome == JF_OK);
            check_match(input, model, inbox, match);
            *kept += match->before.len + match->text.len;
            jf_inbox_stop(inbox);
            jf_matcher_free(matcher);
            jf_match_clear(match);
        }
        struct jf_error err;
        check(jf_matcher_new(input->patterns, input->pattern_count, &matcher, &err) == JF_OK);
        jf_inbox_wait(inbox, matcher, match);
    }
    return matcher;
}

static void feed(struct input *input, struct model *model, struct jf_inbox *inbox) {
    struct jf_match match = {0};
    size_t kept = 0;
    size_t at = 0;
    struct jf_matcher *matcher = wait_on(input, model, inbox, &match, NULL, &kept);
    while (at < input->raw_len) {
        at += jf_inbox_add(inbox, input->raw + at, next_piece(input, input->raw_len - at));
        matcher = wait_on(input, model, inbox, &match, matcher, &kept);
    }
    const struct jf_window *window = &inbox->window;
    size_t pending = (size_t)(window->end - jf_window_unread(window));
    check(window->end == model->len);
    check(pending <= input->window);
    // Every byte was given out, counted as lost, or is still there.
    check(kept + window->dropped + pending == model->len);
    size_t index = 0;
    if (input->is_plain && input->window > MAX_RAW)
        check(naive(input, model, &index) == 0);
    jf_inbox_stop(inbox);
    jf_matcher_free(matcher);
    jf_match_clear(&match);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = parse(data, size);
    if (input.pattern_count == 0)
        return 0;
    struct jf_ansi ansi = {0};
    struct model model = {.text = malloc(input.raw_len + 1)};
    struct jf_inbox inbox;
    check(model.text && jf_inbox_open(&inbox, input.window));
    model.len = jf_ansi_clean(&ansi, input.raw, input.raw_len, model.text);
    feed(&input, &model, &inbox);
    jf_inbox_close(&inbox);
    free(model.text);
    return 0;
}
