// SPDX-License-Identifier: Apache-2.0
#include "console/window.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool jf_window_open(struct jf_window *window, size_t limit) {
    *window = (struct jf_window){.limit = limit};
    window->data = malloc(2 * limit);
    return window->data != NULL;
}

void jf_window_close(struct jf_window *window) {
    free(window->data);
    *window = (struct jf_window){0};
}

char *jf_window_room(struct jf_window *window, size_t *ret_len) {
    size_t used = (size_t)(window->end - window->base);
    if (used == 2 * window->limit) {
        used = (size_t)(window->end - window->begin);
        memmove(window->data, jf_window_at(window, window->begin), used);
        window->base = window->begin;
    }
    size_t room = 2 * window->limit - used;
    *ret_len = room < window->limit ? room : window->limit;
    return window->data + used;
}

void jf_window_added(struct jf_window *window, size_t len) {
    window->end += len;
    assert(window->end - window->base <= 2 * window->limit);
}

void jf_window_trim(struct jf_window *window, uint64_t position) {
    uint64_t begin = position > window->limit ? position - window->limit : 0;
    if (begin <= window->begin)
        return;
    uint64_t unread = jf_window_unread(window);
    if (begin > unread)
        window->dropped += begin - unread;
    window->begin = begin;
}

void jf_window_consume(struct jf_window *window, uint64_t position) {
    window->consumed = position;
}

uint64_t jf_window_unread(const struct jf_window *window) {
    return window->consumed > window->begin ? window->consumed : window->begin;
}

const char *jf_window_at(const struct jf_window *window, uint64_t position) {
    return window->data + (position - window->base);
}
