// SPDX-License-Identifier: Apache-2.0
//
// What must be known of a URL: where it leads, whose credentials it carries, and
// how it may be shown.
#ifndef JF_NET_HTTP_URL_H
#define JF_NET_HTTP_URL_H

#include <stdbool.h>

#include "base/error.h"
#include "net/curl_lib.h"

struct jf_http_url {
    char *text;     // without credentials and fragment: what is asked for
    char *shown;    // also without the query, which may hold secrets
    char *origin;   // scheme, host and port (RFC 6454)
    char *user;     // decoded; NULL when the URL names none
    char *password; // decoded; NULL when the URL names none
    bool secure;    // https
};

// Takes a http or https URL apart. JF_UNSUPPORTED for another scheme, JF_PROTOCOL
// for what is no URL; the message does not repeat it.
enum jf_code jf_http_url_parse(const struct jf_curl *curl, const char *text,
                               struct jf_http_url *ret_url, struct jf_error *err);
void jf_http_url_free(const struct jf_curl *curl, struct jf_http_url *url);

#endif
