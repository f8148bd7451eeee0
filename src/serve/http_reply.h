// SPDX-License-Identifier: Apache-2.0
//
// The replies of the HTTP server as libmicrohttpd's response objects.
#ifndef JF_SERVE_HTTP_REPLY_H
#define JF_SERVE_HTTP_REPLY_H

#include <microhttpd.h>

#include "serve/http_content.h"
#include "serve/http_range.h"

// What the request asks of a content.
struct jf_http_ask {
    const char *range;    // the field, or NULL
    const char *if_range; // the field, or NULL
};

struct jf_http_reply {
    unsigned status;
    struct jf_http_range range; // the bytes it carries
    struct MHD_Response *response;
};

// A reply with nothing in it; `allow` NULL or the methods that are.
enum jf_code jf_http_reply_empty(unsigned status, const char *allow, struct jf_http_reply *ret);

// The reply with a file's, bytes' or stream's content, or 416. It holds a
// reference to the content where it needs one. JF_LIMIT when memory or
// descriptors are out.
enum jf_code jf_http_reply_content(struct jf_http_content *content, const struct jf_http_ask *ask,
                                   struct jf_http_reply *ret);

#endif
