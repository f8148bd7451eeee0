// SPDX-License-Identifier: Apache-2.0
//
// The Range field of a request (RFC 9110, section 14).
#ifndef JF_SERVE_HTTP_RANGE_H
#define JF_SERVE_HTTP_RANGE_H

#include <stdint.h>

enum jf_http_range_result {
    JF_RANGE_WHOLE,       // none, malformed, another unit, or several: send it all
    JF_RANGE_PART,        // one range
    JF_RANGE_UNSATISFIED, // well formed, but outside the content
};

struct jf_http_range {
    int64_t first;
    int64_t count;
};

// Reads `field` (NULL: no such field) for a content of `size` bytes. Fills *ret
// with the bytes to send (none when unsatisfied).
enum jf_http_range_result jf_http_range_parse(const char *field, int64_t size,
                                              struct jf_http_range *ret);

#endif
