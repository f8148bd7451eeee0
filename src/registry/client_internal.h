// SPDX-License-Identifier: Apache-2.0
//
// What the parts of a registry's client share: the object (client.c), authorisation
// (client_auth.c), manifests (client_manifest.c) and blobs (client_blob.c).
#ifndef JF_REGISTRY_CLIENT_INTERNAL_H
#define JF_REGISTRY_CLIENT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "registry/client.h"
#include "registry/token.h"

struct jf_registry {
    atomic_uint references;
    struct jf_registry_options options; // with strings of its own
    struct jf_curl curl;
    char *scope; // "repository:NAME:ACTIONS"

    // Of what follows. Held while a token is fetched, so that one thread does it for
    // all: taken by jf_registry_lock, which can be cancelled.
    pthread_mutex_t lock;
    bool settled;                    // whether it is spoken to by TLS is decided
    bool plain;                      // without TLS
    struct jf_challenges challenges; // the last ones it sent; neither: none yet
    struct jf_token token;
    unsigned token_number; // counts the tokens
};

// Takes the lock, or fails as jf_cancel_check does.
enum jf_code jf_registry_lock(struct jf_registry *registry, const struct jf_cancel *cancel,
                              struct jf_error *err);

// The request as it is sent to the registry: user agent, trust, time limits.
struct jf_http_request jf_registry_request(const struct jf_registry *registry, const char *name,
                                           const char *url);

// URL of a path below /v2/NAME/; decides first whether to speak TLS. To be freed.
enum jf_code jf_registry_url(struct jf_registry *registry, const char *kind, const char *what,
                             const struct jf_cancel *cancel, char **ret_url, struct jf_error *err);

// jf_http_get with what the registry wants to see; renews a token that is refused.
enum jf_code jf_registry_get(struct jf_registry *registry, const struct jf_http_request *request,
                             const struct jf_http_taker *taker, const struct jf_cancel *cancel,
                             struct jf_http_outcome *ret_outcome, struct jf_error *err);

// A taker's function for a body that nobody wants.
enum jf_code jf_registry_ignore_bytes(void *context, const void *bytes, size_t len,
                                      struct jf_error *err);

#endif
