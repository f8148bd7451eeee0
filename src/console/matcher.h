// SPDX-License-Identifier: Apache-2.0
//
// Several patterns over the unread text of a window; the match that ends first
// wins, of those the longest, of those the first listed.
//
// Plain texts are found wherever reads cut them. An expression is tried on the
// last 4 KiB before each place where the text grew, at least every 2 KiB: a match
// longer than that may be missed, and what it finds may end where a read ended.
#ifndef JF_CONSOLE_MATCHER_H
#define JF_CONSOLE_MATCHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "console/pattern.h"
#include "console/regex.h"
#include "console/window.h"

struct jf_matcher;

// JF_PROTOCOL for a faulty expression, an empty pattern or none at all; JF_LIMIT
// when the plain texts are too long. The patterns must outlive the matcher.
enum jf_code jf_matcher_new(const struct jf_pattern *patterns, size_t count,
                            struct jf_matcher **ret_matcher, struct jf_error *err);
// Accepts NULL.
void jf_matcher_free(struct jf_matcher *matcher);

struct jf_hit {
    bool found;
    size_t index;   // of the pattern
    uint64_t start; // positions in the window
    uint64_t end;
};

// Looks at what the window holds beyond the last call; the first call begins at
// the oldest unread byte. With `ends_text` nothing will follow. After a hit the
// matcher is done.
enum jf_code jf_matcher_look(struct jf_matcher *matcher, const struct jf_window *window,
                             bool ends_text, struct jf_hit *ret_hit, struct jf_error *err);

// Groups of the expression that was hit (0 for a plain text), numbered from 1,
// and the bytes of one; NULL for a group that took no part. The bytes are those
// of the window.
size_t jf_matcher_group_count(const struct jf_matcher *matcher, const struct jf_hit *hit);
const char *jf_matcher_group(const struct jf_matcher *matcher, const struct jf_hit *hit,
                             size_t group, size_t *ret_len);

#endif
