// SPDX-License-Identifier: Apache-2.0
#include "base/redact.h"

#include <ctype.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SHORTEST_SECRET 4
static const char replacement[] = "[redacted]";

struct form {
    struct form *next;
    size_t len;
    char text[];
};

struct jf_redactor {
    pthread_mutex_t lock;
    struct form *forms;
    size_t longest;
};

struct jf_redactor *jf_redactor_new(void) {
    struct jf_redactor *redactor = calloc(1, sizeof *redactor);
    if (redactor)
        pthread_mutex_init(&redactor->lock, NULL);
    return redactor;
}

void jf_redactor_free(struct jf_redactor *redactor) {
    if (!redactor)
        return;
    for (struct form *form = redactor->forms; form;) {
        struct form *next = form->next;
        explicit_bzero(form->text, form->len);
        free(form);
        form = next;
    }
    pthread_mutex_destroy(&redactor->lock);
    free(redactor);
}

static bool add_form(struct jf_redactor *redactor, const char *text, size_t len) {
    struct form *form = malloc(sizeof *form + len);
    if (!form)
        return false;
    form->len = len;
    memcpy(form->text, text, len);
    pthread_mutex_lock(&redactor->lock);
    form->next = redactor->forms;
    redactor->forms = form;
    if (len > redactor->longest)
        redactor->longest = len;
    pthread_mutex_unlock(&redactor->lock);
    return true;
}

// The base64 text of a secret depends on where in a group of three it begins,
// and its last characters on what follows; only the characters that the secret
// alone decides are matched.
static bool add_base64(struct jf_redactor *redactor, const char *secret, size_t len) {
    for (size_t shift = 0; shift < 3; shift++) {
        unsigned char *padded = calloc(1, len + shift);
        if (!padded)
            return false;
        memcpy(padded + shift, secret, len);
        const gnutls_datum_t plain = {padded, (unsigned)(len + shift)};
        gnutls_datum_t encoded = {NULL, 0};
        bool ok = gnutls_base64_encode2(&plain, &encoded) == 0;
        size_t first = (shift * 8 + 5) / 6;
        size_t end = (len + shift) * 8 / 6;
        if (ok && end - first >= SHORTEST_SECRET)
            ok = add_form(redactor, (const char *)encoded.data + first, end - first);
        explicit_bzero(padded, len + shift);
        free(padded);
        if (encoded.data)
            explicit_bzero(encoded.data, encoded.size);
        gnutls_free(encoded.data);
        if (!ok)
            return false;
    }
    return true;
}

// RFC 3986, section 2.3: what may stand unescaped.
static bool is_unreserved(unsigned char c) {
    return isalnum(c) || strchr("-._~", c);
}

static bool add_url_escaped(struct jf_redactor *redactor, const char *secret, size_t len,
                            const char *digits) {
    struct jf_buf escaped = {0};
    bool ok = true;
    for (size_t i = 0; i < len && ok; i++) {
        unsigned char c = (unsigned char)secret[i];
        char code[3] = {'%', digits[c >> 4], digits[c & 15]};
        ok = is_unreserved(c) && c ? jf_buf_add(&escaped, &secret[i], 1)
                                   : jf_buf_add(&escaped, code, sizeof code);
    }
    ok = ok && add_form(redactor, escaped.data, escaped.len);
    jf_buf_free(&escaped);
    return ok;
}

bool jf_redactor_add(struct jf_redactor *redactor, const char *secret, size_t len) {
    if (len < SHORTEST_SECRET)
        return false;
    return add_form(redactor, secret, len) && add_base64(redactor, secret, len) &&
           add_url_escaped(redactor, secret, len, "0123456789ABCDEF") &&
           add_url_escaped(redactor, secret, len, "0123456789abcdef");
}

// The longest form that begins at `text`, or 0.
static size_t match_here(const struct jf_redactor *redactor, const char *text, size_t len) {
    size_t best = 0;
    for (const struct form *form = redactor->forms; form; form = form->next) {
        if (form->len <= len && form->len > best && memcmp(form->text, text, form->len) == 0)
            best = form->len;
    }
    return best;
}

// Whether more bytes could make a secret that begins at `text`.
static bool may_begin(const struct jf_redactor *redactor, const char *text, size_t len) {
    for (const struct form *form = redactor->forms; form; form = form->next) {
        if (form->len > len && memcmp(form->text, text, len) == 0)
            return true;
    }
    return false;
}

// Appends what is decided and returns how many bytes that used up.
static size_t redact_decided(const struct jf_redactor *redactor, const char *text, size_t len,
                             bool flush, struct jf_buf *out, bool *ret_ok) {
    size_t at = 0;
    size_t plain = 0; // start of the run that is shown as it is
    bool ok = true;
    while (at < len && ok) {
        if (!flush && len - at < redactor->longest && may_begin(redactor, text + at, len - at))
            break;
        size_t hit = match_here(redactor, text + at, len - at);
        if (!hit) {
            at++;
            continue;
        }
        ok = jf_buf_add(out, text + plain, at - plain) &&
             jf_buf_add(out, replacement, sizeof replacement - 1);
        at += hit;
        plain = at;
    }
    *ret_ok = ok && jf_buf_add(out, text + plain, at - plain);
    return at;
}

bool jf_redact(struct jf_redactor *redactor, const char *text, size_t len, struct jf_buf *out) {
    bool ok = true;
    pthread_mutex_lock(&redactor->lock);
    if (redactor->forms)
        redact_decided(redactor, text, len, true, out, &ok);
    else
        ok = jf_buf_add(out, text, len);
    pthread_mutex_unlock(&redactor->lock);
    return ok;
}

bool jf_redact_stream_add(struct jf_redactor *redactor, struct jf_redact_stream *stream,
                          const char *bytes, size_t len, bool flush, struct jf_buf *out) {
    bool ok = true;
    pthread_mutex_lock(&redactor->lock);
    if (!redactor->forms && !stream->pending.len) {
        ok = jf_buf_add(out, bytes, len);
    } else if (jf_buf_add(&stream->pending, bytes, len)) {
        size_t used =
            redact_decided(redactor, stream->pending.data, stream->pending.len, flush, out, &ok);
        jf_buf_drop(&stream->pending, used);
    } else {
        ok = false;
    }
    pthread_mutex_unlock(&redactor->lock);
    return ok;
}

void jf_redact_stream_free(struct jf_redact_stream *stream) {
    jf_buf_free(&stream->pending);
}
