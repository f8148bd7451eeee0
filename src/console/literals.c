// SPDX-License-Identifier: Apache-2.0
#include "console/literals.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// State 0 is the root: no text has begun. Bytes that occur in no text share
// class 0, so that the table stays small.
struct jf_literals {
    uint16_t classes[256];
    size_t class_count;
    size_t state_count;
    uint16_t *next; // [state * class_count + class]
    uint16_t *fail; // the state of the longest proper suffix; used while building
    uint32_t *hit;  // index of the text that ends in this state + 1, or 0
    bool begins[256];
    int only_begin; // the byte that all texts begin with, or -1
    uint16_t state;
};

static void map_bytes(struct jf_literals *literals, const struct jf_pattern *pattern) {
    for (size_t i = 0; i < pattern->len; i++) {
        unsigned char c = (unsigned char)pattern->text[i];
        if (!literals->classes[c])
            literals->classes[c] = (uint16_t)literals->class_count++;
    }
    unsigned char first = (unsigned char)pattern->text[0];
    literals->begins[first] = true;
    literals->only_begin = literals->only_begin == -2 || literals->only_begin == first ? first : -1;
}

static uint16_t *transition(struct jf_literals *literals, size_t state, unsigned char c) {
    return &literals->next[state * literals->class_count + literals->classes[c]];
}

static void insert(struct jf_literals *literals, const struct jf_pattern *pattern, size_t index) {
    size_t state = 0;
    for (size_t i = 0; i < pattern->len; i++) {
        uint16_t *next = transition(literals, state, (unsigned char)pattern->text[i]);
        if (!*next)
            *next = (uint16_t)literals->state_count++;
        state = *next;
    }
    if (!literals->hit[state])
        literals->hit[state] = (uint32_t)index + 1;
}

// Completes the transitions of one state from those of its suffix, which is
// shorter and therefore complete already. Appends its children to the queue.
static size_t complete(struct jf_literals *literals, size_t state, uint16_t *queue, size_t tail) {
    size_t width = literals->class_count;
    uint16_t *next = &literals->next[state * width];
    const uint16_t *of_suffix = &literals->next[literals->fail[state] * width];
    for (size_t class = 0; class < width; class ++) {
        uint16_t child = next[class];
        if (!child) {
            next[class] = state ? of_suffix[class] : 0;
            continue;
        }
        literals->fail[child] = state ? of_suffix[class] : 0;
        if (!literals->hit[child])
            literals->hit[child] = literals->hit[literals->fail[child]];
        queue[tail++] = child;
    }
    return tail;
}

// Breadth first, so that a suffix is complete before the states that need it.
static bool link_states(struct jf_literals *literals) {
    uint16_t *queue = calloc(literals->state_count, sizeof *queue);
    if (!queue)
        return false;
    size_t tail = 1; // the root comes first
    for (size_t head = 0; head < tail; head++)
        tail = complete(literals, queue[head], queue, tail);
    free(queue);
    return true;
}

static bool build(struct jf_literals *literals, const struct jf_pattern *patterns,
                  const bool *is_text, size_t count, size_t total) {
    literals->class_count = 1;
    literals->only_begin = -2; // none seen yet
    for (size_t i = 0; i < count; i++) {
        if (is_text[i])
            map_bytes(literals, &patterns[i]);
    }
    literals->next = calloc((total + 1) * literals->class_count, sizeof *literals->next);
    literals->fail = calloc(total + 1, sizeof *literals->fail);
    literals->hit = calloc(total + 1, sizeof *literals->hit);
    if (!literals->next || !literals->fail || !literals->hit)
        return false;
    literals->state_count = 1;
    for (size_t i = 0; i < count; i++) {
        if (is_text[i])
            insert(literals, &patterns[i], i);
    }
    return link_states(literals);
}

enum jf_code jf_literals_new(const struct jf_pattern *patterns, const bool *is_text, size_t count,
                             struct jf_literals **ret_literals, struct jf_error *err) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += is_text[i] ? patterns[i].len : 0;
        if (total > JF_LITERALS_MAX_BYTES)
            return jf_fail(err, JF_LIMIT, "plain patterns of more than %d bytes together",
                           JF_LITERALS_MAX_BYTES);
    }
    struct jf_literals *literals = calloc(1, sizeof *literals);
    if (!literals || !build(literals, patterns, is_text, count, total)) {
        jf_literals_free(literals);
        return jf_fail(err, JF_LIMIT, "not enough memory");
    }
    *ret_literals = literals;
    return JF_OK;
}

void jf_literals_free(struct jf_literals *literals) {
    if (!literals)
        return;
    free(literals->next);
    free(literals->fail);
    free(literals->hit);
    free(literals);
}

// The next place where a text may begin.
static const char *skip(const struct jf_literals *literals, const char *at, const char *end) {
    if (literals->only_begin >= 0) {
        const char *hit = memchr(at, literals->only_begin, (size_t)(end - at));
        return hit ? hit : end;
    }
    while (at < end && !literals->begins[(unsigned char)*at])
        at++;
    return at;
}

bool jf_literals_scan(struct jf_literals *literals, const char *bytes, size_t len, size_t *ret_used,
                      size_t *ret_index) {
    const char *end = bytes + len;
    const char *at = bytes;
    size_t state = literals->state;
    while (at < end) {
        if (!state) {
            at = skip(literals, at, end);
            if (at == end)
                break;
        }
        state = *transition(literals, state, (unsigned char)*at++);
        if (literals->hit[state]) {
            *ret_used = (size_t)(at - bytes);
            *ret_index = literals->hit[state] - 1;
            return true;
        }
    }
    literals->state = (uint16_t)state;
    return false;
}
