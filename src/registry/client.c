// SPDX-License-Identifier: Apache-2.0
#include "registry/client_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HUB "docker.io"
#define HUB_API "registry-1.docker.io"
#define NS_PER_S 1000000000L
#define LOCK_POLL_NS 50000000L

static bool copy(const char **text) {
    if (!*text)
        return true;
    *text = strdup(*text);
    return *text != NULL;
}

// On failure the options hold NULL or copies only: each is tried.
static bool copy_strings(struct jf_registry_options *options) {
    struct jf_credentials *credentials = &options->credentials;
    const char **texts[] = {&options->host,
                            &options->repository,
                            &options->actions,
                            &options->cacert,
                            &options->user_agent,
                            (const char **)&credentials->user,
                            (const char **)&credentials->password,
                            (const char **)&credentials->identity_token};
    bool ok = true;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ok = copy(texts[i]) && ok;
    return ok;
}

static void free_registry(struct jf_registry *registry) {
    struct jf_registry_options *options = &registry->options;
    free((char *)options->host);
    free((char *)options->repository);
    free((char *)options->actions);
    free((char *)options->cacert);
    free((char *)options->user_agent);
    jf_credentials_free(&options->credentials);
    jf_token_free(&registry->token);
    free(registry->scope);
    jf_curl_unload(&registry->curl);
    pthread_mutex_destroy(&registry->lock);
    free(registry);
}

enum jf_code jf_registry_open(const struct jf_registry_options *options,
                              struct jf_registry **ret_registry, struct jf_error *err) {
    struct jf_registry *registry = calloc(1, sizeof *registry);
    if (!registry)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    atomic_init(&registry->references, 1);
    pthread_mutex_init(&registry->lock, NULL);
    registry->options = *options;
    bool local = jf_reference_is_local(options->host);
    registry->plain = options->plain_http;
    // With authorities named, TLS is expected.
    registry->settled = options->plain_http || options->cacert || !local;
    bool copied = copy_strings(&registry->options);
    if (!copied ||
        asprintf(&registry->scope, "repository:%s:%s", options->repository, options->actions) < 0) {
        registry->scope = copied ? NULL : registry->scope;
        free_registry(registry);
        return jf_fail(err, JF_LIMIT, "not enough memory");
    }
    enum jf_code code = jf_curl_load(&registry->curl, err);
    if (code == JF_OK)
        *ret_registry = registry;
    else
        free_registry(registry);
    return code;
}

struct jf_registry *jf_registry_ref(struct jf_registry *registry) {
    atomic_fetch_add(&registry->references, 1);
    return registry;
}

void jf_registry_unref(struct jf_registry *registry) {
    if (registry && atomic_fetch_sub(&registry->references, 1) == 1)
        free_registry(registry);
}

enum jf_code jf_registry_lock(struct jf_registry *registry, const struct jf_cancel *cancel,
                              struct jf_error *err) {
    for (;;) {
        enum jf_code code = jf_cancel_check(cancel, err);
        if (code != JF_OK)
            return code;
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until); // the clock of pthread_mutex_timedlock
        until.tv_nsec += LOCK_POLL_NS;
        until.tv_sec += until.tv_nsec / NS_PER_S;
        until.tv_nsec %= NS_PER_S;
        if (pthread_mutex_timedlock(&registry->lock, &until) == 0)
            return JF_OK;
    }
}

struct jf_http_request jf_registry_request(const struct jf_registry *registry, const char *name,
                                           const char *url) {
    const struct jf_registry_options *options = &registry->options;
    return (struct jf_http_request){
        .name = name,
        .url = url,
        .cacert = options->cacert,
        .insecure = options->insecure,
        .user_agent = options->user_agent,
        .connect_timeout_s = options->connect_timeout_s,
        .stall_timeout_s = options->stall_timeout_s,
    };
}

// URLs.

static const char *api_host(const struct jf_registry *registry) {
    const char *host = registry->options.host;
    return strcmp(host, HUB) == 0 ? HUB_API : host;
}

static enum jf_code ignore_answer(void *context, const struct jf_http_answer *answer,
                                  struct jf_error *err) {
    (void)context;
    (void)answer;
    (void)err;
    return JF_OK;
}

enum jf_code jf_registry_ignore_bytes(void *context, const void *bytes, size_t len,
                                      struct jf_error *err) {
    (void)context;
    (void)bytes;
    (void)len;
    (void)err;
    return JF_OK;
}

// A registry on this machine mostly has no TLS: it is asked once. With the lock.
static enum jf_code settle_scheme(struct jf_registry *registry, const struct jf_cancel *cancel,
                                  struct jf_error *err) {
    char url[JF_REFERENCE_HOST_SIZE + 16];
    struct jf_http_outcome outcome;
    const struct jf_http_taker nobody = {ignore_answer, jf_registry_ignore_bytes, NULL};
    snprintf(url, sizeof url, "https://%s/v2/", api_host(registry));
    struct jf_http_request request = jf_registry_request(registry, registry->options.host, url);
    enum jf_code code = jf_http_get(&registry->curl, &request, &nobody, cancel, &outcome, err);
    if (code == JF_CANCELLED)
        return code;
    registry->plain = outcome.no_tls;
    registry->settled = true;
    return JF_OK; // any other failure the request proper meets again
}

enum jf_code jf_registry_url(struct jf_registry *registry, const char *kind, const char *what,
                             const struct jf_cancel *cancel, char **ret_url, struct jf_error *err) {
    enum jf_code code = jf_registry_lock(registry, cancel, err);
    if (code != JF_OK)
        return code;
    if (!registry->settled)
        code = settle_scheme(registry, cancel, err);
    bool plain = registry->plain;
    pthread_mutex_unlock(&registry->lock);
    if (code != JF_OK)
        return code;
    if (asprintf(ret_url, "%s://%s/v2/%s/%s/%s", plain ? "http" : "https", api_host(registry),
                 registry->options.repository, kind, what) >= 0)
        return JF_OK;
    *ret_url = NULL;
    return jf_fail(err, JF_LIMIT, "not enough memory");
}
