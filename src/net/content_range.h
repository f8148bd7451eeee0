// SPDX-License-Identifier: Apache-2.0
//
// The Content-Range field of an answer (RFC 9110, section 14.4).
#ifndef JF_NET_CONTENT_RANGE_H
#define JF_NET_CONTENT_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct jf_content_range {
    int64_t first;
    int64_t last;  // of this answer, inclusive
    int64_t total; // of the whole; -1 when the server does not know ("*")
};

// Reads "bytes FIRST-LAST/TOTAL". False when it is malformed, in another unit,
// contradicts itself, or says that a range cannot be had ("bytes */TOTAL").
bool jf_content_range_parse(const char *field, struct jf_content_range *ret);

#endif
