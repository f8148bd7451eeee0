// SPDX-License-Identifier: Apache-2.0
#include "serve/http_range.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

// Longer numbers stop there instead of wrapping.
#define BEYOND INT64_MAX

static void skip_blanks(const char **text) {
    *text += strspn(*text, " \t");
}

// Reads digits; false when there are none.
static bool read_number(const char **text, int64_t *ret) {
    const char *start = *text;
    int64_t value = 0;
    for (; **text >= '0' && **text <= '9'; (*text)++)
        value = value > (BEYOND - 9) / 10 ? BEYOND : value * 10 + (**text - '0');
    *ret = value;
    return *text != start;
}

static enum jf_http_range_result whole(int64_t size, struct jf_http_range *ret) {
    *ret = (struct jf_http_range){.first = 0, .count = size};
    return JF_RANGE_WHOLE;
}

static enum jf_http_range_result part(int64_t first, int64_t last, int64_t size,
                                      struct jf_http_range *ret) {
    *ret = (struct jf_http_range){0};
    if (first >= size)
        return JF_RANGE_UNSATISFIED;
    if (last >= size)
        last = size - 1;
    *ret = (struct jf_http_range){.first = first, .count = last - first + 1};
    return JF_RANGE_PART;
}

enum jf_http_range_result jf_http_range_parse(const char *field, int64_t size,
                                              struct jf_http_range *ret) {
    static const char unit[] = "bytes=";
    if (!field || strncasecmp(field, unit, sizeof unit - 1) != 0)
        return whole(size, ret);
    const char *text = field + sizeof unit - 1;
    int64_t first;
    int64_t last;
    skip_blanks(&text);
    bool has_first = read_number(&text, &first);
    if (*text++ != '-')
        return whole(size, ret);
    bool has_last = read_number(&text, &last);
    skip_blanks(&text);
    if (*text || (!has_first && !has_last) || (has_first && has_last && last < first))
        return whole(size, ret);
    if (has_first)
        return part(first, has_last ? last : BEYOND, size, ret);
    if (last == 0) {
        *ret = (struct jf_http_range){0};
        return JF_RANGE_UNSATISFIED;
    }
    return part(last < size ? size - last : 0, BEYOND, size, ret);
}
