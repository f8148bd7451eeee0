// SPDX-License-Identifier: Apache-2.0
#include "registry/token.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

#define ANSWER_LIMIT ((size_t)256 << 10)
#define TOKEN_LIMIT ((size_t)64 << 10)
#define CLIENT_ID "jflash"
#define FORM_TYPE "application/x-www-form-urlencoded"
// A token whose server names no time is good for so long (token specification).
#define LIFETIME_S 60.0
// So much earlier it is renewed, but at most a quarter of its time.
#define LEEWAY_S 10.0

// The answer.

static enum jf_code on_answer(void *context, const struct jf_http_answer *answer,
                              struct jf_error *err) {
    (void)context;
    (void)answer;
    (void)err;
    return JF_OK;
}

static enum jf_code on_bytes(void *context, const void *bytes, size_t len, struct jf_error *err) {
    struct jf_buf *text = context;
    if (text->len + len > ANSWER_LIMIT)
        return jf_fail(err, JF_LIMIT, "the token server's answer has more than %zu bytes",
                       ANSWER_LIMIT);
    return jf_buf_add(text, bytes, len) ? JF_OK : jf_fail(err, JF_LIMIT, "not enough memory");
}

// It goes into a header line.
static bool is_sendable(const char *token) {
    size_t len = strlen(token);
    for (const char *next = token; *next; next++) {
        if (*next <= ' ' || *next > '~')
            return false;
    }
    return len > 0 && len <= TOKEN_LIMIT;
}

static jf_deadline expiry(const json_t *root) {
    const json_t *expires_in = json_object_get(root, "expires_in");
    double seconds = json_is_number(expires_in) ? json_number_value(expires_in) : LIFETIME_S;
    if (!(seconds > 0))
        seconds = LIFETIME_S;
    double leeway = seconds / 4 < LEEWAY_S ? seconds / 4 : LEEWAY_S;
    return jf_deadline_in(seconds - leeway);
}

static enum jf_code read_token(const struct jf_buf *answer, struct jf_token *ret,
                               struct jf_error *err) {
    json_t *root = json_loadb(answer->data ? answer->data : "", answer->len, 0, NULL);
    const char *text = json_string_value(json_object_get(root, "token"));
    if (!text)
        text = json_string_value(json_object_get(root, "access_token"));
    enum jf_code code = JF_OK;
    if (!text || !is_sendable(text)) {
        code = jf_fail(err, JF_PROTOCOL, "the token server's answer holds no usable token");
    } else {
        ret->text = strdup(text);
        ret->expires = expiry(root);
        if (!ret->text)
            code = jf_fail(err, JF_LIMIT, "not enough memory");
    }
    json_decref(root);
    return code;
}

void jf_token_free(struct jf_token *token) {
    if (token->text)
        explicit_bzero(token->text, strlen(token->text));
    free(token->text);
    *token = (struct jf_token){0};
}

// The question.

static bool add_field(const struct jf_curl *curl, struct jf_buf *text, const char *separator,
                      const char *name, const char *value) {
    char *escaped = value[0] ? curl->easy_escape(NULL, value, (int)strlen(value)) : NULL;
    bool ok = (escaped || !value[0]) &&
              jf_buf_addf(text, "%s%s=%s", separator, name, escaped ? escaped : "");
    if (escaped)
        explicit_bzero(escaped, strlen(escaped));
    curl->free(escaped);
    return ok;
}

static bool add_scopes(const struct jf_curl *curl, struct jf_buf *text,
                       const struct jf_token_request *request) {
    const char *theirs = request->challenges->scope;
    bool ok = add_field(curl, text, "&", "scope", request->scope);
    if (ok && theirs[0] && strcmp(theirs, request->scope) != 0)
        ok = add_field(curl, text, "&", "scope", theirs);
    return ok;
}

// GET realm?service=…&scope=…, with Basic.
static bool ask_by_query(const struct jf_curl *curl, const struct jf_token_request *request,
                         struct jf_buf *url, struct jf_http_request *http) {
    const char *realm = request->challenges->realm;
    http->user = request->credentials->user;
    http->password = request->credentials->password;
    bool ok = jf_buf_addf(url, "%s", realm) &&
              add_field(curl, url, strchr(realm, '?') ? "&" : "?", "service",
                        request->challenges->service) &&
              add_scopes(curl, url, request) && add_field(curl, url, "&", "client_id", CLIENT_ID);
    http->url = url->data;
    return ok;
}

// POST grant_type=refresh_token&…
static bool ask_by_form(const struct jf_curl *curl, const struct jf_token_request *request,
                        struct jf_buf *form, struct jf_http_request *http) {
    bool ok = add_field(curl, form, "", "grant_type", "refresh_token") &&
              add_field(curl, form, "&", "service", request->challenges->service) &&
              add_field(curl, form, "&", "client_id", CLIENT_ID) &&
              add_scopes(curl, form, request) &&
              add_field(curl, form, "&", "refresh_token", request->credentials->identity_token);
    http->url = request->challenges->realm;
    http->body = form->data;
    http->body_len = form->len;
    http->body_type = FORM_TYPE;
    return ok;
}

static bool is_secret(const struct jf_credentials *credentials) {
    return credentials->user || credentials->identity_token;
}

// A registry with TLS may not send credentials to a token server without it.
static enum jf_code check_realm(const struct jf_token_request *request, struct jf_error *err) {
    const char *realm = request->challenges->realm;
    bool plain = strncasecmp(realm, "http://", 7) == 0;
    if (!plain && strncasecmp(realm, "https://", 8) != 0)
        return jf_fail(err, JF_PROTOCOL, "its token server has no http or https URL");
    if (plain && !request->plain_http && is_secret(request->credentials))
        return jf_fail(err, JF_PROTOCOL,
                       "refused: it sends credentials to a token server without "
                       "TLS");
    return JF_OK;
}

enum jf_code jf_token_fetch(const struct jf_curl *curl, const struct jf_token_request *request,
                            const struct jf_cancel *cancel, struct jf_token *ret_token,
                            struct jf_http_outcome *ret_outcome, struct jf_error *err) {
    char name[JF_REFERENCE_HOST_SIZE + 24];
    struct jf_http_request http = request->http;
    struct jf_buf answer = {0};
    struct jf_buf question = {0};
    const struct jf_http_taker taker = {on_answer, on_bytes, &answer};
    snprintf(name, sizeof name, "%s: its token server", request->host);
    http.name = name;
    *ret_token = (struct jf_token){0};
    *ret_outcome = (struct jf_http_outcome){.retry_after_s = -1};
    enum jf_code code = check_realm(request, err);
    if (code != JF_OK)
        return jf_prefix(err, "%s", request->host);
    bool asked = request->credentials->identity_token
                     ? ask_by_form(curl, request, &question, &http)
                     : ask_by_query(curl, request, &question, &http);
    code = asked ? jf_http_get(curl, &http, &taker, cancel, ret_outcome, err)
                 : jf_fail(err, JF_LIMIT, "not enough memory");
    if (code == JF_OK && (code = read_token(&answer, ret_token, err)) != JF_OK)
        jf_prefix(err, "%s", request->host);
    if (answer.data)
        explicit_bzero(answer.data, answer.len);
    if (question.data)
        explicit_bzero(question.data, question.len);
    jf_buf_free(&answer);
    jf_buf_free(&question);
    return code;
}
