// SPDX-License-Identifier: Apache-2.0
//
// The thread of a download. Only it writes to the file.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/download_internal.h"
#include "net/http_retry.h"

enum {
    STATUS_OK = 200,
    STATUS_PARTIAL = 206,
    STATUS_NOT_MODIFIED = 304,
};

#define PIECE_BYTES ((size_t)64 << 10)

static const char *name_of(const struct jf_download *d) {
    return d->options.request.name;
}

static enum jf_code fail_changed(struct jf_download *d, struct jf_error *err, const char *what) {
    pthread_mutex_lock(&d->lock);
    d->result.changed = true;
    pthread_mutex_unlock(&d->lock);
    return jf_fail(err, JF_PROTOCOL, "%s: changed at the server while it was fetched: %s",
                   name_of(d), what);
}

// Answers.

static bool contradicts(const char *a, const char *b) {
    return a[0] && b[0] && strcmp(a, b) != 0;
}

static enum jf_code check_same(struct jf_download *d, const struct jf_http_answer *answer,
                               int64_t total, struct jf_error *err) {
    const struct jf_http_answer *first = &d->result.answer;
    bool fixed = d->options.sha256 != NULL; // a mirror's validators may be others
    if (!fixed && contradicts(first->etag, answer->etag))
        return fail_changed(d, err, "it has another ETag");
    if (!fixed && contradicts(first->last_modified, answer->last_modified))
        return fail_changed(d, err, "it has another time of change");
    if (d->progress.total >= 0 && total >= 0 && total != d->progress.total)
        return fail_changed(d, err, "it has another size");
    return JF_OK;
}

static enum jf_code begin_anew(struct jf_download *d, struct jf_error *err) {
    if (ftruncate(d->fd, 0) != 0)
        return jf_fail_errno(err, errno, "%s: cannot begin anew", d->options.file);
    jf_digest_reset(d->digest);
    return JF_OK;
}

static void publish(struct jf_download *d, const struct jf_http_answer *answer, uint64_t bytes,
                    int64_t total) {
    pthread_mutex_lock(&d->lock);
    d->result.answer = *answer;
    d->progress.answered = true;
    d->progress.bytes = bytes;
    d->progress.total = total;
    jf_download_tell(d);
    pthread_mutex_unlock(&d->lock);
}

// The whole content: at first it replaces what is there; later it must be the same.
static enum jf_code take_whole(struct jf_download *d, const struct jf_http_answer *answer,
                               struct jf_error *err) {
    if (d->progress.answered) {
        d->comparing = d->progress.bytes > 0;
        d->compared = 0;
        return check_same(d, answer, answer->length, err);
    }
    enum jf_code code = begin_anew(d, err);
    if (code == JF_OK)
        publish(d, answer, 0, answer->length);
    return code;
}

static enum jf_code take_part(struct jf_download *d, const struct jf_http_answer *answer,
                              struct jf_error *err) {
    uint64_t offset = d->options.request.offset;
    const struct jf_content_range *range = &answer->range;
    if (!offset || !answer->has_range || range->first != (int64_t)offset)
        return jf_fail(err, JF_PROTOCOL,
                       "%s: the server sent another part than was asked for: from byte %" PRId64
                       ", not %" PRIu64,
                       name_of(d), answer->has_range ? range->first : -1, offset);
    if (answer->length >= 0 && answer->length != range->last - range->first + 1)
        return jf_fail(err, JF_PROTOCOL,
                       "%s: the server sends %" PRId64 " bytes as the part from %" PRId64
                       " to %" PRId64,
                       name_of(d), answer->length, range->first, range->last);
    if (d->progress.answered)
        return check_same(d, answer, range->total, err);
    const char *asked = d->options.request.if_range;
    if (asked && asked[0] == '"' && contradicts(asked, answer->etag))
        return fail_changed(d, err, "it has another ETag");
    publish(d, answer, offset, range->total);
    return JF_OK;
}

static enum jf_code on_answer(void *context, const struct jf_http_answer *answer,
                              struct jf_error *err) {
    struct jf_download *d = context;
    const struct jf_http_request *request = &d->options.request;
    if (answer->status == STATUS_PARTIAL)
        return take_part(d, answer, err);
    if (answer->status == STATUS_OK)
        return take_whole(d, answer, err);
    if (!d->progress.answered && (request->if_none_match || request->if_modified_since)) {
        publish(d, answer, 0, 0);
        return JF_OK;
    }
    return jf_fail(err, JF_PROTOCOL, "%s: the server answered 304 to what was no such question",
                   name_of(d));
}

// Bytes.

static enum jf_code check_room(struct jf_download *d, size_t len, struct jf_error *err) {
    uint64_t bytes = d->progress.bytes + len;
    if (d->progress.total >= 0 && bytes > (uint64_t)d->progress.total)
        return jf_fail(err, JF_PROTOCOL,
                       "%s: the server sends more than the %" PRId64 " bytes that it announced",
                       name_of(d), d->progress.total);
    if (d->options.limit_bytes && bytes > d->options.limit_bytes)
        return jf_fail(err, JF_LIMIT, "%s: has more than the %" PRIu64 " bytes that are allowed",
                       name_of(d), d->options.limit_bytes);
    return JF_OK;
}

static enum jf_code append(struct jf_download *d, const char *bytes, size_t len,
                           struct jf_error *err) {
    enum jf_code code = check_room(d, len, err);
    for (size_t written = 0; code == JF_OK && written < len;) {
        ssize_t count =
            pwrite(d->fd, bytes + written, len - written, (off_t)(d->progress.bytes + written));
        if (count < 0 && errno != EINTR)
            code = jf_fail_errno(err, errno, "%s: write at byte %" PRIu64, d->options.file,
                                 d->progress.bytes + written);
        written += count > 0 ? (size_t)count : 0;
    }
    if (code != JF_OK || !len)
        return code;
    jf_digest_update(d->digest, bytes, len);
    pthread_mutex_lock(&d->lock);
    d->progress.bytes += len;
    jf_download_tell(d);
    pthread_mutex_unlock(&d->lock);
    return JF_OK;
}

// Compares what is sent again with what is there. *ret_len: how much of it was.
static enum jf_code compare(struct jf_download *d, const char *bytes, size_t len, size_t *ret_len,
                            struct jf_error *err) {
    char own[PIECE_BYTES];
    *ret_len = 0;
    while (*ret_len < len && d->compared < d->progress.bytes) {
        uint64_t left = d->progress.bytes - d->compared;
        size_t count = len - *ret_len < sizeof own ? len - *ret_len : sizeof own;
        if (count > left)
            count = (size_t)left;
        if (pread(d->fd, own, count, (off_t)d->compared) != (ssize_t)count)
            return jf_fail_errno(err, errno, "%s: read at byte %" PRIu64, d->options.file,
                                 d->compared);
        if (memcmp(own, bytes + *ret_len, count) != 0)
            return fail_changed(d, err, "what it sends again is not what it sent before");
        d->compared += count;
        *ret_len += count;
    }
    return JF_OK;
}

static enum jf_code on_bytes(void *context, const void *bytes, size_t len, struct jf_error *err) {
    struct jf_download *d = context;
    size_t same = 0;
    if (d->comparing) {
        enum jf_code code = compare(d, bytes, len, &same, err);
        if (code != JF_OK)
            return code;
        d->comparing = d->compared < d->progress.bytes;
    }
    return append(d, (const char *)bytes + same, len - same, err);
}

// Tries.

// What is there already counts for the digest of the whole.
static enum jf_code hash_beginning(struct jf_download *d, struct jf_error *err) {
    char piece[PIECE_BYTES];
    uint64_t end = d->options.request.offset;
    for (uint64_t at = 0; at < end;) {
        enum jf_code code = jf_cancel_check(d->cancel, err);
        if (code != JF_OK)
            return code;
        size_t len = end - at < sizeof piece ? (size_t)(end - at) : sizeof piece;
        ssize_t got = pread(d->fd, piece, len, (off_t)at);
        if (got <= 0)
            return jf_fail_errno(err, errno, "%s: read at byte %" PRIu64, d->options.file, at);
        jf_digest_update(d->digest, piece, (size_t)got);
        at += (uint64_t)got;
    }
    return JF_OK;
}

// A server that closed the connection properly may still not have sent all.
static enum jf_code check_complete(struct jf_download *d, struct jf_http_outcome *outcome,
                                   struct jf_error *err) {
    if (d->comparing)
        return fail_changed(d, err, "it is shorter now");
    if (d->progress.total < 0 || d->progress.bytes == (uint64_t)d->progress.total)
        return JF_OK;
    outcome->outlook = JF_HTTP_PASSING;
    return jf_fail(err, JF_CLOSED, "%s: the server ended after %" PRIu64 " of %" PRId64 " bytes",
                   name_of(d), d->progress.bytes, d->progress.total);
}

// Weak validators do not promise the same bytes (RFC 9110, section 8.8.1).
static const char *validator_of(const struct jf_http_answer *answer) {
    if (answer->etag[0] == '"')
        return answer->etag;
    return answer->last_modified[0] ? answer->last_modified : NULL;
}

// The request that goes on from what has arrived; without a validator it asks for
// everything again.
static struct jf_http_request next_request(const struct jf_download *d) {
    struct jf_http_request request = d->options.request;
    if (!d->progress.answered)
        return request;
    request.if_none_match = request.if_modified_since = NULL;
    request.if_range = d->options.sha256 ? NULL : validator_of(&d->result.answer);
    request.offset = request.if_range || d->options.sha256 ? d->progress.bytes : 0;
    return request;
}

static enum jf_code get(struct jf_download *d, const struct jf_http_request *request,
                        const struct jf_http_taker *taker, struct jf_http_outcome *outcome,
                        struct jf_error *err) {
    const struct jf_http_getter *getter = &d->options.getter;
    if (getter->get)
        return getter->get(getter->owner, &d->curl, request, taker, d->cancel, outcome, err);
    return jf_http_get(&d->curl, request, taker, d->cancel, outcome, err);
}

static enum jf_code try_once(struct jf_download *d, struct jf_http_outcome *outcome,
                             struct jf_error *err) {
    const struct jf_http_taker taker = {.on_answer = on_answer, .on_bytes = on_bytes, .context = d};
    struct jf_http_request request = next_request(d);
    d->options.request.offset = request.offset;
    d->comparing = false;
    enum jf_code code = get(d, &request, &taker, outcome, err);
    return code == JF_OK ? check_complete(d, outcome, err) : code;
}

static enum jf_code back_off(struct jf_download *d, const struct jf_http_outcome *outcome,
                             unsigned used, struct jf_error *err) {
    pthread_mutex_lock(&d->lock);
    d->progress.retries++;
    pthread_mutex_unlock(&d->lock);
    return jf_http_back_off(outcome, d->options.backoff_s, used, d->cancel, err);
}

static bool is_complete(const struct jf_download *d) {
    return !d->options.to_the_end && d->progress.answered && d->progress.total > 0 &&
           d->progress.bytes == (uint64_t)d->progress.total;
}

// Tries until it is done; the budget counts tries that brought nothing.
static enum jf_code fetch(struct jf_download *d, struct jf_http_outcome *outcome,
                          struct jf_error *err) {
    enum jf_code code = hash_beginning(d, err);
    if (code != JF_OK)
        return code;
    for (unsigned used = 0;;) {
        uint64_t before = d->progress.bytes;
        code = try_once(d, outcome, err);
        if (code == JF_OK || is_complete(d))
            return JF_OK;
        if (d->progress.bytes > before)
            used = 0;
        if (code == JF_CANCELLED || used >= d->options.retries ||
            !jf_http_may_pass(outcome, d->progress.answered))
            return code;
        code = back_off(d, outcome, used++, err);
        if (code != JF_OK)
            return code;
    }
}

static enum jf_code check_digest(struct jf_download *d, struct jf_error *err) {
    const char *expected = d->options.sha256;
    if (d->result.answer.status == STATUS_NOT_MODIFIED)
        return JF_OK;
    char sha256[JF_SHA256_HEX_SIZE];
    jf_digest_hex(d->digest, sha256);
    pthread_mutex_lock(&d->lock);
    memcpy(d->result.sha256, sha256, sizeof sha256);
    pthread_mutex_unlock(&d->lock);
    if (!expected || strcmp(expected, sha256) == 0)
        return JF_OK;
    return jf_fail(err, JF_CHECKSUM, "%s: what arrived has the SHA-256 %s, due was %s", name_of(d),
                   sha256, expected);
}

static void finish(struct jf_download *d, const struct jf_http_outcome *outcome) {
    pthread_mutex_lock(&d->lock);
    d->result.outcome = *outcome;
    if (d->failure.code == JF_OK && d->result.answer.status != STATUS_NOT_MODIFIED)
        d->progress.total = (int64_t)d->progress.bytes;
    d->progress.failed = d->failure.code != JF_OK;
    d->progress.done = true;
    jf_download_tell(d);
    pthread_mutex_unlock(&d->lock);
}

void *jf_download_fetch(void *context) {
    struct jf_download *d = context;
    struct jf_http_outcome outcome = {.retry_after_s = -1};
    struct jf_error err = {0};
    enum jf_code code = fetch(d, &outcome, &err);
    if (code == JF_OK)
        code = check_digest(d, &err);
    pthread_mutex_lock(&d->lock);
    d->failure = err;
    d->failure.code = code;
    pthread_mutex_unlock(&d->lock);
    finish(d, &outcome);
    return NULL;
}
