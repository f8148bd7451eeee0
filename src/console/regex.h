// SPDX-License-Identifier: Apache-2.0
//
// One PCRE2 expression over bytes (no UTF), with limits on what a search may
// cost. `^` and `$` are the ends of lines (LF).
#ifndef JF_CONSOLE_REGEX_H
#define JF_CONSOLE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct jf_regex;

// JF_PROTOCOL, with what is wrong and where, for an expression that is none.
enum jf_code jf_regex_new(const char *pattern, size_t len, struct jf_regex **ret_regex,
                          struct jf_error *err);
// Accepts NULL.
void jf_regex_free(struct jf_regex *regex);

// Where a search stands in the text.
struct jf_subject {
    const char *text;
    size_t len;
    bool begins_line; // `^` may match at its first byte
    bool ends_text;   // nothing follows: `$` may match behind its last byte
};

// A part of the subject; `start` is SIZE_MAX for a group that took no part.
struct jf_span {
    size_t start;
    size_t end;
};

// Searches for the leftmost match that is not empty. JF_OK with *ret_found;
// JF_LIMIT when the expression backtracks beyond its limits on this subject.
enum jf_code jf_regex_search(struct jf_regex *regex, const struct jf_subject *subject,
                             bool *ret_found, struct jf_error *err);

// After a search that found something: the match (0) and its groups (1, 2, …).
size_t jf_regex_group_count(const struct jf_regex *regex);
struct jf_span jf_regex_group(const struct jf_regex *regex, size_t group);

#endif
