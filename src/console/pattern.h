// SPDX-License-Identifier: Apache-2.0
//
// What `expect` looks for: plain text, or a PCRE2 expression behind "re:".
#ifndef JF_CONSOLE_PATTERN_H
#define JF_CONSOLE_PATTERN_H

#include <stddef.h>

#define JF_PATTERN_REGEX "re:"

// The bytes belong to the caller.
struct jf_pattern {
    const char *text;
    size_t len;
};

#endif
