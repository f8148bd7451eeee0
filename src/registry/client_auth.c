// SPDX-License-Identifier: Apache-2.0
//
// Authorisation: nothing is shown before the registry asks for it; then Basic, or a
// token, which is used until it expires.
#include <stdlib.h>
#include <string.h>

#include "registry/client_internal.h"

// What one request shows.
struct shown {
    bool basic;
    char *token;     // a copy
    unsigned number; // the token's
    bool fresh;      // it was fetched for this request
};

static bool has_token(const struct jf_registry *registry) {
    return registry->token.text && jf_deadline_left_ns(registry->token.expires) > 0;
}

// With the lock.
static enum jf_code renew(struct jf_registry *registry, const struct jf_cancel *cancel,
                          struct jf_http_outcome *outcome, struct jf_error *err) {
    const struct jf_token_request request = {
        .host = registry->options.host,
        .challenges = &registry->challenges,
        .scope = registry->scope,
        .credentials = &registry->options.credentials,
        .plain_http = registry->plain || registry->options.insecure,
        .http = jf_registry_request(registry, NULL, NULL),
    };
    jf_token_free(&registry->token);
    enum jf_code code =
        jf_token_fetch(&registry->curl, &request, cancel, &registry->token, outcome, err);
    if (code == JF_OK)
        registry->token_number++;
    return code;
}

// What the next request shows; fetches a token when the one there has expired.
static enum jf_code prepare(struct jf_registry *registry, const struct jf_cancel *cancel,
                            struct shown *ret, struct jf_http_outcome *outcome,
                            struct jf_error *err) {
    *ret = (struct shown){0};
    enum jf_code code = jf_registry_lock(registry, cancel, err);
    if (code != JF_OK)
        return code;
    if (registry->challenges.bearer) {
        ret->fresh = !has_token(registry);
        if (ret->fresh)
            code = renew(registry, cancel, outcome, err);
        if (code == JF_OK) {
            ret->token = strdup(registry->token.text);
            ret->number = registry->token_number;
            if (!ret->token)
                code = jf_fail(err, JF_LIMIT, "not enough memory");
        }
    } else {
        ret->basic = registry->challenges.basic && registry->options.credentials.user;
    }
    pthread_mutex_unlock(&registry->lock);
    return code;
}

// Takes the challenge of a refusal in; *ret_news when another try shows something
// new. Another thread may hold the lock for as long as a token server is silent.
static enum jf_code learn(struct jf_registry *registry, const struct shown *shown,
                          const struct jf_cancel *cancel, const struct jf_http_outcome *outcome,
                          bool *ret_news, struct jf_error *err) {
    struct jf_challenges challenges;
    if (outcome->status != 401 || !jf_challenges_parse(outcome->challenge, &challenges))
        return JF_OK;
    bool news = false;
    enum jf_code code = jf_registry_lock(registry, cancel, err);
    if (code != JF_OK)
        return code;
    if (challenges.bearer) {
        // A token that another thread has renewed meanwhile is kept; one that was
        // fetched for this very request is refused for good.
        bool latest = shown->token && shown->number == registry->token_number;
        registry->challenges = challenges;
        if (latest)
            jf_token_free(&registry->token);
        news = !(latest && shown->fresh);
    } else if (challenges.basic && !shown->basic && registry->options.credentials.user) {
        registry->challenges = challenges;
        news = true;
    }
    pthread_mutex_unlock(&registry->lock);
    *ret_news = news;
    return JF_OK;
}

static enum jf_code get_once(struct jf_registry *registry, const struct jf_http_request *request,
                             const struct jf_http_taker *taker, const struct jf_cancel *cancel,
                             struct shown *shown, struct jf_http_outcome *outcome,
                             struct jf_error *err) {
    enum jf_code code = prepare(registry, cancel, shown, outcome, err);
    if (code != JF_OK) {
        outcome->challenge[0] = '\0'; // the token server's
        return code;
    }
    struct jf_http_request own = *request;
    own.bearer = shown->token;
    if (shown->basic) {
        own.user = registry->options.credentials.user;
        own.password = registry->options.credentials.password;
    }
    code = jf_http_get(&registry->curl, &own, taker, cancel, outcome, err);
    if (shown->token)
        explicit_bzero(shown->token, strlen(shown->token));
    return code;
}

// Without anything, with a token that was there, with a new one, with a newer one.
#define ROUNDS 4

enum jf_code jf_registry_get(struct jf_registry *registry, const struct jf_http_request *request,
                             const struct jf_http_taker *taker, const struct jf_cancel *cancel,
                             struct jf_http_outcome *ret_outcome, struct jf_error *err) {
    enum jf_code code = JF_OK;
    bool again = true;
    for (unsigned round = 0; round < ROUNDS && again; round++) {
        struct shown shown;
        *ret_outcome = (struct jf_http_outcome){.retry_after_s = -1};
        code = get_once(registry, request, taker, cancel, &shown, ret_outcome, err);
        again = false;
        struct jf_error cancelled;
        if (code == JF_PROTOCOL &&
            learn(registry, &shown, cancel, ret_outcome, &again, &cancelled) != JF_OK) {
            *err = cancelled;
            code = cancelled.code;
        }
        free(shown.token);
    }
    return code;
}
