// SPDX-License-Identifier: Apache-2.0
#include "net/content_range.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

// Reads digits; false when there are none, or more than any file has.
static bool read_number(const char **text, int64_t *ret) {
    const char *start = *text;
    int64_t value = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        if (value > (INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (**text - '0');
    }
    *ret = value;
    return *text != start;
}

static bool skip(const char **text, char expected) {
    if (**text != expected)
        return false;
    (*text)++;
    return true;
}

static bool read_total(const char **text, int64_t *ret) {
    *ret = -1;
    return skip(text, '*') || read_number(text, ret);
}

bool jf_content_range_parse(const char *field, struct jf_content_range *ret) {
    static const char unit[] = "bytes ";
    *ret = (struct jf_content_range){.total = -1};
    if (strncasecmp(field, unit, sizeof unit - 1) != 0)
        return false;
    const char *text = field + sizeof unit - 1;
    struct jf_content_range range;
    bool whole = read_number(&text, &range.first) && skip(&text, '-') &&
                 read_number(&text, &range.last) && skip(&text, '/') &&
                 read_total(&text, &range.total);
    text += strspn(whole ? text : "", " \t");
    if (!whole || *text || range.last < range.first)
        return false;
    if (range.total >= 0 && range.last >= range.total)
        return false;
    *ret = range;
    return true;
}
