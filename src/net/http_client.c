// SPDX-License-Identifier: Apache-2.0
#include "net/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_transfer.h"
#include "net/http_url.h"

#define REDIRECTS_MAX 10

// Checks where a redirect leads, and moves there.
static enum jf_code follow(struct jf_http_transfer *t, struct jf_http_url *url) {
    struct jf_http_url next;
    const char *name = t->request->name;
    enum jf_code code = jf_http_url_parse(t->curl, t->location, &next, t->err);
    free(t->location);
    t->location = NULL;
    if (code != JF_OK)
        return jf_prefix(t->err, "%s: the server redirects to where jflash does not go", name);
    snprintf(t->answer->redirected_to, sizeof t->answer->redirected_to, "%s", next.shown);
    if (url->secure && !next.secure) {
        code = jf_fail(t->err, JF_PROTOCOL, "%s: refused: it redirects from https to %s", name,
                       next.shown);
        jf_http_url_free(t->curl, &next);
        return code;
    }
    // Credentials that a server puts into a redirect are its own, not the user's.
    t->curl->free(next.user);
    t->curl->free(next.password);
    t->trusted = t->trusted && strcmp(next.origin, url->origin) == 0;
    next.user = url->user;
    next.password = url->password;
    url->user = NULL;
    url->password = NULL;
    jf_http_url_free(t->curl, url);
    *url = next;
    return JF_OK;
}

static enum jf_code get(struct jf_http_transfer *t, struct jf_http_url *url) {
    for (unsigned redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
        t->answered = t->redirects = false;
        t->skipped = 0;
        enum jf_code code = jf_http_transfer_run(t);
        if (code != JF_OK || !t->location)
            return code;
        code = follow(t, url);
        if (code != JF_OK)
            return code;
    }
    return jf_fail(t->err, JF_PROTOCOL, "%s: redirected more than %d times, last to %s",
                   t->request->name, REDIRECTS_MAX, url->shown);
}

enum jf_code jf_http_get(const struct jf_curl *curl, const struct jf_http_request *request,
                         const struct jf_http_taker *taker, const struct jf_cancel *cancel,
                         struct jf_http_outcome *ret_outcome, struct jf_error *err) {
    struct jf_http_answer answer = {.length = -1};
    struct jf_http_url url;
    *ret_outcome = (struct jf_http_outcome){.retry_after_s = -1};
    enum jf_code code = jf_http_url_parse(curl, request->url, &url, err);
    if (code != JF_OK)
        return jf_prefix(err, "%s", request->name);
    struct jf_http_transfer transfer = {
        .curl = curl,
        .request = request,
        .taker = taker,
        .cancel = cancel,
        .url = &url,
        .trusted = true,
        .answer = &answer,
        .outcome = *ret_outcome,
        .err = err,
    };
    code = get(&transfer, &url);
    free(transfer.location);
    *ret_outcome = transfer.outcome;
    jf_http_url_free(curl, &url);
    return code;
}
