// SPDX-License-Identifier: Apache-2.0
#include "console/escape.h"

#include <stdio.h>
#include <string.h>

#define TAIL_LINES 3

// The letter that stands for `c` behind a backslash, or 0.
static char letter_for(unsigned char c) {
    switch (c) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case 0x1b:
        return 'e';
    case '\\':
        return '\\';
    default:
        return 0;
    }
}

static size_t escaped_size(unsigned char c) {
    if (letter_for(c))
        return 2;
    return c < 0x20 || c == 0x7f ? 4 : 1;
}

static bool escape_one(struct jf_buf *out, unsigned char c) {
    char letter = letter_for(c);
    return letter ? jf_buf_addf(out, "\\%c", letter) : jf_buf_addf(out, "\\x%02x", c);
}

bool jf_escape(struct jf_buf *out, const char *bytes, size_t len) {
    size_t plain = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (escaped_size(c) == 1)
            continue;
        if (!jf_buf_add(out, bytes + plain, i - plain) || !escape_one(out, c))
            return false;
        plain = i + 1;
    }
    return jf_buf_add(out, bytes + plain, len - plain);
}

bool jf_escape_tail(struct jf_buf *out, const char *text, size_t len, size_t max) {
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    size_t start = len;
    size_t size = 0;
    for (unsigned lines = 1; start > 0; start--) {
        unsigned char c = (unsigned char)text[start - 1];
        size += escaped_size(c);
        if (size > max || (c == '\n' && lines++ == TAIL_LINES))
            break;
    }
    return jf_escape(out, text + start, len - start);
}
