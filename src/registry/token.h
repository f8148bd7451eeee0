// SPDX-License-Identifier: Apache-2.0
//
// Asking a token server, as Docker's token specification and its OAuth2 variant say.
#ifndef JF_REGISTRY_TOKEN_H
#define JF_REGISTRY_TOKEN_H

#include "base/clock.h"
#include "net/http_client.h"
#include "registry/auth_file.h"
#include "registry/reference.h"
#include "registry/www_authenticate.h"

struct jf_token_request {
    const char *host;                         // of the registry, for messages
    const struct jf_challenges *challenges;   // a Bearer one
    const char *scope;                        // what is wanted; the challenge's is asked for too
    const struct jf_credentials *credentials; // all NULL: anonymous
    bool plain_http;                          // the registry itself is asked without TLS
    struct jf_http_request http;              // trust, timeouts, user agent
};

struct jf_token {
    char *text;          // NULL: none; wiped by jf_token_free
    jf_deadline expires; // renewed before
};

// Fetches a token. *ret_outcome tells about a failure.
enum jf_code jf_token_fetch(const struct jf_curl *curl, const struct jf_token_request *request,
                            const struct jf_cancel *cancel, struct jf_token *ret_token,
                            struct jf_http_outcome *ret_outcome, struct jf_error *err);
void jf_token_free(struct jf_token *token);

#endif
