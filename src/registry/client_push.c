// SPDX-License-Identifier: Apache-2.0
//
// Pushing, by the distribution specification 1.1: a blob's upload is begun by POST, which
// tells where it is to go, and done by PUT there.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/http_retry.h"
#include "net/http_url.h"
#include "registry/client_internal.h"
#include "sys/fd.h"

#define NAME_SIZE (JF_REFERENCE_HOST_SIZE + JF_REFERENCE_NAME_SIZE + JF_REFERENCE_TAG_SIZE + 96)
#define SHOWN_DIGITS 19 // "sha256:" and the first digits
#define NOT_FOUND 404
#define OCTETS "application/octet-stream"

static enum jf_code keep_answer(void *context, const struct jf_http_answer *answer,
                                struct jf_error *err) {
    struct jf_http_answer *kept = context;
    (void)err;
    *kept = *answer;
    return JF_OK;
}

// One request to the registry itself, its answer kept.
static enum jf_code ask(struct jf_registry *registry, const struct jf_http_request *request,
                        const struct jf_cancel *cancel, struct jf_http_answer *ret_answer,
                        struct jf_http_outcome *outcome, struct jf_error *err) {
    const struct jf_http_taker taker = {keep_answer, jf_registry_ignore_bytes, ret_answer};
    return jf_registry_get(registry, request, &taker, cancel, outcome, err);
}

// Does a thing, and again when it failed of what can pass.
typedef enum jf_code attempt(struct jf_registry *registry, void *what,
                             const struct jf_cancel *cancel, struct jf_http_outcome *outcome,
                             struct jf_error *err);

static enum jf_code persist(struct jf_registry *registry, attempt *once, void *what,
                            const struct jf_cancel *cancel, struct jf_http_outcome *outcome,
                            struct jf_error *err) {
    for (unsigned used = 0;; used++) {
        *outcome = (struct jf_http_outcome){.retry_after_s = -1};
        enum jf_code code = once(registry, what, cancel, outcome, err);
        if (code == JF_OK || code == JF_CANCELLED || used >= registry->options.retries ||
            !jf_http_may_pass(outcome, false))
            return code;
        code = jf_http_back_off(outcome, registry->options.backoff_s, used, cancel, err);
        if (code != JF_OK)
            return code;
    }
}

// What is pushed.
struct push {
    char name[NAME_SIZE]; // for messages
    const char *digest;   // of a blob
    uint64_t size;        // of a blob
    int fd;               // of a blob
    bool has;             // the repository has the blob
    const char *tag;      // of a manifest, or its digest
    const struct jf_buf *text;
    const char *media_type;
};

static void name_blob(const struct jf_registry *registry, struct push *push) {
    snprintf(push->name, sizeof push->name, "%s/%s: blob %.*s", registry->options.host,
             registry->options.repository, SHOWN_DIGITS, push->digest);
}

// Whether it is there.

static enum jf_code look(struct jf_registry *registry, void *what, const struct jf_cancel *cancel,
                         struct jf_http_outcome *outcome, struct jf_error *err) {
    struct push *push = what;
    struct jf_http_answer answer = {.length = -1};
    char *url = NULL;
    enum jf_code code = jf_registry_url(registry, "blobs", push->digest, cancel, &url, err);
    if (code != JF_OK)
        return code;
    struct jf_http_request request = jf_registry_request(registry, push->name, url);
    request.method = "HEAD";
    code = ask(registry, &request, cancel, &answer, outcome, err);
    free(url);
    push->has = code == JF_OK && (answer.length < 0 || (uint64_t)answer.length == push->size);
    return code != JF_OK && outcome->status == NOT_FOUND ? JF_OK : code;
}

enum jf_code jf_registry_has_blob(struct jf_registry *registry, const char *digest, uint64_t size,
                                  const struct jf_cancel *cancel, bool *ret_has,
                                  struct jf_http_outcome *ret_outcome, struct jf_error *err) {
    struct push push = {.digest = digest, .size = size};
    enum jf_code code = jf_oci_digest_check(digest, "blob", err);
    name_blob(registry, &push);
    if (code == JF_OK)
        code = persist(registry, look, &push, cancel, ret_outcome, err);
    *ret_has = push.has;
    return code;
}

// Sending a blob.

// Where the registry wants it, as an absolute URL with the digest; to be freed by libcurl.
static enum jf_code resolve(struct jf_registry *registry, const struct push *push,
                            const char *asked, const char *location, char **ret_url,
                            struct jf_error *err) {
    const struct jf_curl *curl = &registry->curl;
    char digest[JF_DIGEST_SIZE + 8];
    CURLU *url = curl->url();
    snprintf(digest, sizeof digest, "digest=%s", push->digest);
    bool good = url && curl->url_set(url, CURLUPART_URL, asked, 0) == CURLUE_OK && location[0] &&
                curl->url_set(url, CURLUPART_URL, location, 0) == CURLUE_OK &&
                curl->url_set(url, CURLUPART_QUERY, digest, CURLU_APPENDQUERY) == CURLUE_OK &&
                curl->url_get(url, CURLUPART_URL, ret_url, 0) == CURLUE_OK;
    curl->url_cleanup(url);
    if (good)
        return JF_OK;
    return jf_fail(err, JF_PROTOCOL, "%s: the registry does not say where an upload is to go",
                   push->name);
}

static enum jf_code parse_place(const struct jf_registry *registry, const struct push *push,
                                const char *text, struct jf_http_url *ret, struct jf_error *err) {
    enum jf_code code = jf_http_url_parse(&registry->curl, text, ret, err);
    if (code == JF_OK)
        return code;
    return jf_prefix(err, "%s: the registry wants an upload where jflash does not go", push->name);
}

// Begins an upload. *ret_url is to be freed by libcurl; *ret_own: it leads to the registry.
static enum jf_code begin(struct jf_registry *registry, const struct push *push,
                          const struct jf_cancel *cancel, char **ret_url, bool *ret_own,
                          struct jf_http_outcome *outcome, struct jf_error *err) {
    struct jf_http_answer answer = {.length = -1};
    struct jf_http_url from = {0}, to = {0};
    char *asked = NULL;
    enum jf_code code = jf_registry_url(registry, "blobs", "uploads/", cancel, &asked, err);
    if (code != JF_OK)
        return code;
    struct jf_http_request request = jf_registry_request(registry, push->name, asked);
    request.method = "POST";
    request.body = "";
    request.body_type = OCTETS;
    code = ask(registry, &request, cancel, &answer, outcome, err);
    if (code == JF_OK)
        code = resolve(registry, push, asked, answer.location, ret_url, err);
    if (code == JF_OK)
        code = jf_http_url_parse(&registry->curl, asked, &from, err);
    if (code == JF_OK)
        code = parse_place(registry, push, *ret_url, &to, err);
    *ret_own = code == JF_OK && strcmp(from.origin, to.origin) == 0;
    if (code == JF_OK && from.secure && !to.secure)
        code = jf_fail(err, JF_PROTOCOL, "%s: refused: the registry wants it without TLS at %s",
                       push->name, to.shown);
    jf_http_url_free(&registry->curl, &from);
    jf_http_url_free(&registry->curl, &to);
    free(asked);
    return code;
}

// Credentials go to the registry itself only.
static enum jf_code send_to(struct jf_registry *registry, const struct push *push, const char *url,
                            bool own, const struct jf_cancel *cancel,
                            struct jf_http_outcome *outcome, struct jf_error *err) {
    struct jf_http_answer answer;
    const struct jf_http_taker taker = {keep_answer, jf_registry_ignore_bytes, &answer};
    struct jf_http_request request = jf_registry_request(registry, push->name, url);
    request.method = "PUT";
    request.has_file = true;
    request.body_fd = push->fd;
    request.body_len = (size_t)push->size;
    request.body_type = OCTETS;
    return own ? jf_registry_get(registry, &request, &taker, cancel, outcome, err)
               : jf_http_get(&registry->curl, &request, &taker, cancel, outcome, err);
}

static enum jf_code send_blob(struct jf_registry *registry, void *what,
                              const struct jf_cancel *cancel, struct jf_http_outcome *outcome,
                              struct jf_error *err) {
    const struct push *push = what;
    char *url = NULL;
    bool own;
    enum jf_code code = begin(registry, push, cancel, &url, &own, outcome, err);
    if (code == JF_OK)
        code = send_to(registry, push, url, own, cancel, outcome, err);
    registry->curl.free(url);
    return code;
}

enum jf_code jf_registry_put_blob(struct jf_registry *registry, const char *digest, uint64_t size,
                                  const char *file, const struct jf_cancel *cancel,
                                  struct jf_http_outcome *ret_outcome, struct jf_error *err) {
    struct push push = {.digest = digest, .size = size, .fd = -1};
    struct stat info;
    *ret_outcome = (struct jf_http_outcome){.retry_after_s = -1};
    enum jf_code code = jf_oci_digest_check(digest, "blob", err);
    if (code != JF_OK)
        return code;
    name_blob(registry, &push);
    push.fd = open(file, O_RDONLY | O_CLOEXEC);
    if (push.fd < 0 || fstat(push.fd, &info) != 0)
        code = jf_fail_errno(err, errno, "%s: open", file);
    else if ((uint64_t)info.st_size != size)
        code = jf_fail(err, JF_IO, "%s: changed while it was pushed", file);
    else
        code = persist(registry, send_blob, &push, cancel, ret_outcome, err);
    jf_fd_close(&push.fd);
    return code;
}

// Sending a manifest.

static enum jf_code send_manifest(struct jf_registry *registry, void *what,
                                  const struct jf_cancel *cancel, struct jf_http_outcome *outcome,
                                  struct jf_error *err) {
    const struct push *push = what;
    struct jf_http_answer answer = {.length = -1};
    char *url = NULL;
    enum jf_code code = jf_registry_url(registry, "manifests", push->tag, cancel, &url, err);
    if (code != JF_OK)
        return code;
    struct jf_http_request request = jf_registry_request(registry, push->name, url);
    request.method = "PUT";
    request.body = push->text->data;
    request.body_len = push->text->len;
    request.body_type = push->media_type;
    code = ask(registry, &request, cancel, &answer, outcome, err);
    free(url);
    if (code == JF_OK && strncmp(answer.digest, "sha256:", 7) == 0 &&
        strcmp(answer.digest, push->digest) != 0)
        return jf_fail(err, JF_CHECKSUM, "%s: the registry got the manifest %s, sent was %s",
                       push->name, answer.digest, push->digest);
    return code;
}

enum jf_code jf_registry_put_manifest(struct jf_registry *registry, const char *tag_or_digest,
                                      const struct jf_buf *text, const char *media_type,
                                      const struct jf_cancel *cancel,
                                      struct jf_http_outcome *ret_outcome, struct jf_error *err) {
    char digest[JF_DIGEST_SIZE] = "sha256:";
    struct push push = {
        .digest = digest, .tag = tag_or_digest, .text = text, .media_type = media_type};
    struct jf_digest *sum = jf_digest_new();
    if (!sum)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    jf_digest_update(sum, text->data, text->len);
    jf_digest_hex(sum, digest + strlen(digest));
    jf_digest_free(sum);
    snprintf(push.name, sizeof push.name, "%s/%s%s%s", registry->options.host,
             registry->options.repository, strchr(tag_or_digest, ':') ? "@" : ":", tag_or_digest);
    return persist(registry, send_manifest, &push, cancel, ret_outcome, err);
}
