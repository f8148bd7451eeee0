// SPDX-License-Identifier: Apache-2.0
#include "console/inbox.h"

#include <stdlib.h>
#include <string.h>

void jf_match_clear(struct jf_match *match) {
    jf_buf_free(&match->before);
    jf_buf_free(&match->text);
    jf_buf_free(&match->group_bytes);
    free(match->captures);
    *match = (struct jf_match){0};
}

bool jf_inbox_open(struct jf_inbox *inbox, size_t window_bytes) {
    *inbox = (struct jf_inbox){0};
    return jf_window_open(&inbox->window, window_bytes);
}

void jf_inbox_close(struct jf_inbox *inbox) {
    jf_window_close(&inbox->window);
}

static bool copy_captures(const struct jf_matcher *matcher, const struct jf_hit *hit,
                          struct jf_match *match) {
    size_t count = jf_matcher_group_count(matcher, hit);
    if (count == 0)
        return true;
    match->captures = calloc(count, sizeof *match->captures);
    if (!match->captures)
        return false;
    match->capture_count = count;
    for (size_t i = 0; i < count; i++) {
        size_t len;
        const char *bytes = jf_matcher_group(matcher, hit, i + 1, &len);
        if (!bytes)
            continue;
        match->captures[i] = (struct jf_capture){true, match->group_bytes.len, len};
        if (!jf_buf_add(&match->group_bytes, bytes, len))
            return false;
    }
    return true;
}

static bool copy_match(const struct jf_inbox *inbox, const struct jf_hit *hit) {
    const struct jf_window *window = &inbox->window;
    struct jf_match *match = inbox->match;
    uint64_t first = jf_window_unread(window);
    uint64_t start = hit->start > first ? hit->start : first;
    match->index = hit->index;
    match->truncated = first > window->consumed;
    return jf_buf_add(&match->before, jf_window_at(window, first), (size_t)(start - first)) &&
           jf_buf_add(&match->text, jf_window_at(window, start), (size_t)(hit->end - start)) &&
           copy_captures(inbox->matcher, hit, match);
}

static void settle(struct jf_inbox *inbox, enum jf_code outcome) {
    inbox->outcome = outcome;
    inbox->settled = true;
}

static void look(struct jf_inbox *inbox) {
    struct jf_hit hit;
    enum jf_code code =
        jf_matcher_look(inbox->matcher, &inbox->window, inbox->ended, &hit, &inbox->error);
    if (code != JF_OK) {
        settle(inbox, code);
    } else if (hit.found) {
        // What a match may see does not depend on how much came after it.
        jf_window_trim(&inbox->window, hit.end);
        bool ok = copy_match(inbox, &hit);
        jf_window_consume(&inbox->window, hit.end);
        settle(inbox, ok ? JF_OK : jf_fail(&inbox->error, JF_LIMIT, "not enough memory"));
    } else if (inbox->ended) {
        inbox->error = inbox->end;
        settle(inbox, inbox->end.code);
    }
}

size_t jf_inbox_add(struct jf_inbox *inbox, const char *raw, size_t len) {
    size_t room;
    char *clean = jf_window_room(&inbox->window, &room);
    size_t used = len < room ? len : room;
    jf_window_added(&inbox->window, jf_ansi_clean(&inbox->ansi, raw, used, clean));
    if (inbox->matcher && !inbox->settled)
        look(inbox);
    jf_window_trim(&inbox->window, inbox->window.end);
    return used;
}

void jf_inbox_end(struct jf_inbox *inbox, const struct jf_error *why) {
    inbox->ended = true;
    inbox->end = *why;
    if (inbox->matcher && !inbox->settled)
        look(inbox);
}

void jf_inbox_wait(struct jf_inbox *inbox, struct jf_matcher *matcher, struct jf_match *match) {
    inbox->matcher = matcher;
    inbox->match = match;
    inbox->settled = false;
    look(inbox);
}

void jf_inbox_stop(struct jf_inbox *inbox) {
    inbox->matcher = NULL;
    inbox->match = NULL;
    inbox->settled = false;
}

void jf_inbox_discard(struct jf_inbox *inbox) {
    jf_window_consume(&inbox->window, inbox->window.end);
}
