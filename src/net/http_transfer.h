// SPDX-License-Identifier: Apache-2.0
//
// One request and its answer over libcurl, without redirects: the lower half of
// net/http_client.h.
#ifndef JF_NET_HTTP_TRANSFER_H
#define JF_NET_HTTP_TRANSFER_H

#include "net/http_client.h"
#include "net/http_url.h"

struct jf_http_transfer {
    const struct jf_curl *curl;
    const struct jf_http_request *request;
    const struct jf_http_taker *taker;
    const struct jf_cancel *cancel;
    const struct jf_http_url *url;
    bool trusted;                  // the credentials and headers may be sent there
    struct jf_http_answer *answer; // kept over redirects

    // Its results.
    char *location; // where it redirects to, absolute; to be freed; NULL: nowhere
    struct jf_http_outcome outcome;
    struct jf_error *err;

    CURL *easy;
    struct curl_slist *headers;
    bool answered;
    bool redirects;
    uint64_t sent;        // bytes of the body's file
    size_t skipped;       // bytes of a redirect's body
    enum jf_code refused; // by the taker, or because of the status
};

// Runs it. JF_OK also for a redirect, which `location` tells.
enum jf_code jf_http_transfer_run(struct jf_http_transfer *transfer);

#endif
