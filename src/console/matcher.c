// SPDX-License-Identifier: Apache-2.0
#include "console/matcher.h"

#include <stdlib.h>
#include <string.h>

#include "console/literals.h"

#define REGEX_SEES 4096
#define REGEX_STEP 2048

struct jf_matcher {
    const struct jf_pattern *patterns;
    size_t count;
    struct jf_literals *literals; // NULL without plain texts
    struct jf_regex **regexes;    // [count], NULL for a plain text
    bool has_regex;
    bool started;
    uint64_t seen;       // the window was looked at up to here
    const char *subject; // what the last search of the winning expression saw
};

static bool is_regex(const struct jf_pattern *pattern) {
    size_t prefix = sizeof JF_PATTERN_REGEX - 1;
    return pattern->len >= prefix && memcmp(pattern->text, JF_PATTERN_REGEX, prefix) == 0;
}

static enum jf_code compile(struct jf_matcher *matcher, size_t index, bool *ret_is_text,
                            struct jf_error *err) {
    const struct jf_pattern *pattern = &matcher->patterns[index];
    *ret_is_text = !is_regex(pattern);
    size_t prefix = *ret_is_text ? 0 : sizeof JF_PATTERN_REGEX - 1;
    if (pattern->len == prefix)
        return jf_fail(err, JF_PROTOCOL, "pattern %zu is empty", index + 1);
    if (*ret_is_text)
        return JF_OK;
    matcher->has_regex = true;
    enum jf_code code =
        jf_regex_new(pattern->text + prefix, pattern->len - prefix, &matcher->regexes[index], err);
    if (code != JF_OK && err)
        jf_prefix(err, "pattern \"%.100s\"", pattern->text);
    return code;
}

static enum jf_code compile_all(struct jf_matcher *matcher, bool *is_text, struct jf_error *err) {
    bool has_text = false;
    for (size_t i = 0; i < matcher->count; i++) {
        enum jf_code code = compile(matcher, i, &is_text[i], err);
        if (code != JF_OK)
            return code;
        has_text = has_text || is_text[i];
    }
    if (!has_text)
        return JF_OK;
    return jf_literals_new(matcher->patterns, is_text, matcher->count, &matcher->literals, err);
}

enum jf_code jf_matcher_new(const struct jf_pattern *patterns, size_t count,
                            struct jf_matcher **ret_matcher, struct jf_error *err) {
    if (count == 0)
        return jf_fail(err, JF_PROTOCOL, "no pattern given");
    struct jf_matcher *matcher = calloc(1, sizeof *matcher);
    bool *is_text = calloc(count, sizeof *is_text);
    enum jf_code code = JF_LIMIT;
    if (matcher)
        matcher->regexes = calloc(count, sizeof(struct jf_regex *));
    if (matcher && is_text && matcher->regexes) {
        matcher->patterns = patterns;
        matcher->count = count;
        code = compile_all(matcher, is_text, err);
    } else {
        jf_fail(err, JF_LIMIT, "not enough memory");
    }
    free(is_text);
    if (code == JF_OK)
        *ret_matcher = matcher;
    else
        jf_matcher_free(matcher);
    return code;
}

void jf_matcher_free(struct jf_matcher *matcher) {
    if (!matcher)
        return;
    for (size_t i = 0; matcher->regexes && i < matcher->count; i++)
        jf_regex_free(matcher->regexes[i]);
    free(matcher->regexes);
    jf_literals_free(matcher->literals);
    free(matcher);
}

// Whether `a` beats `b`, a hit of an earlier pattern.
static bool wins(const struct jf_hit *a, const struct jf_hit *b) {
    if (!b->found || a->end != b->end)
        return !b->found || a->end < b->end;
    return a->start != b->start ? a->start < b->start : a->index < b->index;
}

static void look_for_texts(struct jf_matcher *matcher, const struct jf_window *window,
                           uint64_t from, uint64_t to, struct jf_hit *hit) {
    size_t used;
    size_t index;
    if (!matcher->literals || from == to ||
        !jf_literals_scan(matcher->literals, jf_window_at(window, from), (size_t)(to - from), &used,
                          &index))
        return;
    uint64_t end = from + used;
    *hit = (struct jf_hit){true, index, end - matcher->patterns[index].len, end};
}

static uint64_t subject_start(const struct jf_window *window, uint64_t to) {
    uint64_t start = jf_window_unread(window);
    if (to - start > REGEX_SEES)
        start = to - REGEX_SEES;
    return start;
}

static enum jf_code look_for_regex(struct jf_matcher *matcher, size_t index,
                                   const struct jf_window *window, const struct jf_subject *subject,
                                   struct jf_hit *hit, struct jf_error *err) {
    bool found;
    enum jf_code code = jf_regex_search(matcher->regexes[index], subject, &found, err);
    if (code != JF_OK && err)
        jf_prefix(err, "pattern \"%.100s\"", matcher->patterns[index].text);
    if (code != JF_OK || !found)
        return code;
    struct jf_span span = jf_regex_group(matcher->regexes[index], 0);
    uint64_t origin = window->base + (uint64_t)(subject->text - window->data);
    struct jf_hit candidate = {true, index, origin + span.start, origin + span.end};
    if (wins(&candidate, hit)) {
        *hit = candidate;
        matcher->subject = subject->text;
    }
    return JF_OK;
}

static enum jf_code look_for_regexes(struct jf_matcher *matcher, const struct jf_window *window,
                                     uint64_t to, bool ends_text, struct jf_hit *hit,
                                     struct jf_error *err) {
    uint64_t start = subject_start(window, to);
    bool at_line = start == 0 || (start > window->base && *jf_window_at(window, start - 1) == '\n');
    struct jf_subject subject = {
        .text = jf_window_at(window, start),
        .len = (size_t)(to - start),
        .begins_line = at_line,
        .ends_text = ends_text && to == window->end,
    };
    for (size_t i = 0; i < matcher->count; i++) {
        if (!matcher->regexes[i])
            continue;
        enum jf_code code = look_for_regex(matcher, i, window, &subject, hit, err);
        if (code != JF_OK)
            return code;
    }
    return JF_OK;
}

// Looks at one more piece, which ends at `to`.
static enum jf_code look_at(struct jf_matcher *matcher, const struct jf_window *window, uint64_t to,
                            bool ends_text, struct jf_hit *hit, struct jf_error *err) {
    look_for_texts(matcher, window, matcher->seen, to, hit);
    matcher->seen = to;
    if (!matcher->has_regex)
        return JF_OK;
    // Beyond the end of a text that was found nothing can end first.
    return look_for_regexes(matcher, window, hit->found ? hit->end : to, ends_text, hit, err);
}

enum jf_code jf_matcher_look(struct jf_matcher *matcher, const struct jf_window *window,
                             bool ends_text, struct jf_hit *ret_hit, struct jf_error *err) {
    *ret_hit = (struct jf_hit){0};
    if (!matcher->started)
        matcher->seen = jf_window_unread(window);
    matcher->started = true;
    if (matcher->seen == window->end && !ends_text)
        return JF_OK;
    do {
        uint64_t to = window->end;
        if (matcher->has_regex && to - matcher->seen > REGEX_STEP)
            to = matcher->seen + REGEX_STEP;
        enum jf_code code = look_at(matcher, window, to, ends_text, ret_hit, err);
        if (code != JF_OK || ret_hit->found)
            return code;
    } while (matcher->seen < window->end);
    return JF_OK;
}

size_t jf_matcher_group_count(const struct jf_matcher *matcher, const struct jf_hit *hit) {
    const struct jf_regex *regex = matcher->regexes[hit->index];
    return regex ? jf_regex_group_count(regex) - 1 : 0;
}

const char *jf_matcher_group(const struct jf_matcher *matcher, const struct jf_hit *hit,
                             size_t group, size_t *ret_len) {
    struct jf_span span = jf_regex_group(matcher->regexes[hit->index], group);
    *ret_len = span.end - span.start;
    return span.start == SIZE_MAX ? NULL : matcher->subject + span.start;
}
