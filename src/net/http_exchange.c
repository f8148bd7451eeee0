// SPDX-License-Identifier: Apache-2.0
#include "net/http_exchange.h"

struct exchange {
    const char *name;
    struct jf_buf *body;
};

static enum jf_code take_answer(void *context, const struct jf_http_answer *answer,
                                struct jf_error *err) {
    (void)context;
    (void)answer;
    (void)err;
    return JF_OK;
}

static enum jf_code take_bytes(void *context, const void *bytes, size_t len, struct jf_error *err) {
    const struct exchange *exchange = context;
    if (exchange->body->len + len > JF_HTTP_EXCHANGE_MAX)
        return jf_fail(err, JF_LIMIT, "%s: the answer is longer than %d bytes", exchange->name,
                       JF_HTTP_EXCHANGE_MAX);
    if (!jf_buf_add(exchange->body, bytes, len))
        return jf_fail(err, JF_LIMIT, "%s: not enough memory", exchange->name);
    return JF_OK;
}

enum jf_code jf_http_exchange(const struct jf_http_request *request, const struct jf_cancel *cancel,
                              struct jf_buf *body, struct jf_http_outcome *ret_outcome,
                              struct jf_error *err) {
    struct exchange exchange = {request->name, body};
    struct jf_http_taker taker = {take_answer, take_bytes, &exchange};
    struct jf_curl curl;
    *ret_outcome = (struct jf_http_outcome){.retry_after_s = -1};
    enum jf_code code = jf_curl_load(&curl, err);
    if (code != JF_OK)
        return code;
    code = jf_http_get(&curl, request, &taker, cancel, ret_outcome, err);
    jf_curl_unload(&curl);
    return code;
}
