// SPDX-License-Identifier: Apache-2.0
//
// Looks for several plain texts at once in one pass over a stream (the automaton
// of Aho and Corasick): each byte is looked at once, whatever the number of texts.
#ifndef JF_CONSOLE_LITERALS_H
#define JF_CONSOLE_LITERALS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "console/pattern.h"

// Bytes of all texts of one search together; bounds the automaton.
#define JF_LITERALS_MAX_BYTES 8192

struct jf_literals;

// Builds the automaton for the patterns whose `is_text` is true (all non-empty).
// JF_LIMIT when they are too long together. The patterns are not kept.
enum jf_code jf_literals_new(const struct jf_pattern *patterns, const bool *is_text, size_t count,
                             struct jf_literals **ret_literals, struct jf_error *err);
// Accepts NULL.
void jf_literals_free(struct jf_literals *literals);

// Goes on with the next bytes of the stream. Returns true at the first place
// where a text ends: *ret_used bytes were looked at, the text's last one among
// them, and *ret_index is the text (the longest of those that end there, the
// first listed among equals). Else all bytes were looked at.
bool jf_literals_scan(struct jf_literals *literals, const char *bytes, size_t len, size_t *ret_used,
                      size_t *ret_index);

#endif
