// SPDX-License-Identifier: Apache-2.0
#include "console/ansi.h"

#include <stdbool.h>
#include <string.h>

#define ESC 0x1b
#define BEL 0x07
#define CAN 0x18
#define SUB 0x1a
#define DEL 0x7f

#define LONGEST_CONTROL 128
#define LONGEST_STRING 1024

// A position in the raw bytes, and the next byte of each special kind, so that
// every byte is looked at twice at most however dense these are.
struct cursor {
    const char *at;
    const char *end;
    const char *escape;
    const char *carriage_return;
};

static const char *next_of(const char *known, const struct cursor *cursor, int byte) {
    if (known >= cursor->at)
        return known;
    const char *hit = memchr(cursor->at, byte, (size_t)(cursor->end - cursor->at));
    return hit ? hit : cursor->end;
}

// Copies up to the next special byte and takes that away too.
static size_t copy_text(struct jf_ansi *ansi, struct cursor *cursor, char *clean) {
    cursor->escape = next_of(cursor->escape, cursor, ESC);
    cursor->carriage_return = next_of(cursor->carriage_return, cursor, '\r');
    bool escape_first = cursor->escape < cursor->carriage_return;
    const char *stop = escape_first ? cursor->escape : cursor->carriage_return;
    size_t len = (size_t)(stop - cursor->at);
    memcpy(clean, cursor->at, len);
    cursor->at = stop < cursor->end ? stop + 1 : stop;
    if (escape_first)
        *ansi = (struct jf_ansi){.state = JF_ANSI_ESCAPE};
    return len;
}

static void finish(struct jf_ansi *ansi) {
    ansi->state = JF_ANSI_TEXT;
}

// The byte right behind ESC, or behind intermediate bytes as in ESC ( B.
static void after_escape(struct jf_ansi *ansi, unsigned char c) {
    bool is_first = ansi->length == 0;
    if (is_first && c == '[')
        ansi->state = JF_ANSI_CONTROL;
    else if (is_first && strchr("]PX^_", c))
        ansi->state = JF_ANSI_STRING;
    else if (c >= 0x30)
        finish(ansi);
}

// A printing byte in a sequence.
static void advance(struct jf_ansi *ansi, unsigned char c) {
    unsigned longest = ansi->state == JF_ANSI_STRING ? LONGEST_STRING : LONGEST_CONTROL;
    if (ansi->state == JF_ANSI_ESCAPE)
        after_escape(ansi, c);
    else if (ansi->state == JF_ANSI_CONTROL && c >= 0x40)
        finish(ansi);
    if (++ansi->length > longest)
        finish(ansi);
}

// A byte of a sequence; true when it is text after all.
static bool in_sequence(struct jf_ansi *ansi, unsigned char c) {
    bool is_string = ansi->state == JF_ANSI_STRING;
    if (c == ESC) {
        *ansi = (struct jf_ansi){.state = JF_ANSI_ESCAPE};
        return false;
    }
    if (c == CAN || c == SUB || (is_string && c == BEL)) {
        finish(ansi);
        return false;
    }
    if (c < 0x20) {
        // A terminal obeys these inside a sequence and goes on with it; in a
        // string they mean that its end was lost.
        if (is_string)
            finish(ansi);
        return c != '\r';
    }
    if (c > DEL && !is_string) {
        finish(ansi);
        return true;
    }
    if (c != DEL)
        advance(ansi, c);
    return false;
}

size_t jf_ansi_clean(struct jf_ansi *ansi, const char *raw, size_t len, char *clean) {
    struct cursor cursor = {.at = raw, .end = raw + len};
    size_t out = 0;
    while (cursor.at < cursor.end) {
        if (ansi->state == JF_ANSI_TEXT) {
            out += copy_text(ansi, &cursor, clean + out);
            continue;
        }
        char c = *cursor.at++;
        if (in_sequence(ansi, (unsigned char)c))
            clean[out++] = c;
    }
    return out;
}
