// SPDX-License-Identifier: Apache-2.0
//
// A blob is a download whose size and digest are known beforehand.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/client_internal.h"

#define SHOWN_DIGITS 19 // "sha256:" and the first digits
#define NAME_SIZE (JF_REFERENCE_HOST_SIZE + JF_REFERENCE_NAME_SIZE + 64)

// Who fetches one: the download's getter.
struct blob {
    atomic_uint references;
    struct jf_registry *registry;
    uint64_t size;
};

// One request of it.
struct attempt {
    const struct blob *blob;
    const struct jf_http_request *request;
    const struct jf_http_taker *taker;
    uint64_t received; // up to which byte of the blob
};

static enum jf_code fail_size(const struct attempt *attempt, const char *says, int64_t size,
                              struct jf_error *err) {
    return jf_fail(err, JF_PROTOCOL,
                   "%s: the registry %s %" PRId64 " bytes, the manifest says %" PRIu64,
                   attempt->request->name, says, size, attempt->blob->size);
}

static enum jf_code on_answer(void *context, const struct jf_http_answer *answer,
                              struct jf_error *err) {
    struct attempt *attempt = context;
    bool part = answer->has_range && answer->status == 206;
    int64_t total = part ? answer->range.total : answer->length;
    attempt->received = part ? (uint64_t)answer->range.first : 0;
    if (total >= 0 && (uint64_t)total != attempt->blob->size)
        return fail_size(attempt, "has", total, err);
    return attempt->taker->on_answer(attempt->taker->context, answer, err);
}

static enum jf_code on_bytes(void *context, const void *bytes, size_t len, struct jf_error *err) {
    struct attempt *attempt = context;
    attempt->received += len;
    if (attempt->received > attempt->blob->size)
        return fail_size(attempt, "sends more than", (int64_t)attempt->blob->size, err);
    return attempt->taker->on_bytes(attempt->taker->context, bytes, len, err);
}

static enum jf_code blob_get(void *owner, const struct jf_curl *curl,
                             const struct jf_http_request *request,
                             const struct jf_http_taker *taker, const struct jf_cancel *cancel,
                             struct jf_http_outcome *ret_outcome, struct jf_error *err) {
    const struct blob *blob = owner;
    struct attempt attempt = {.blob = blob, .request = request, .taker = taker};
    const struct jf_http_taker own = {on_answer, on_bytes, &attempt};
    (void)curl; // the registry's is as good
    enum jf_code code = jf_registry_get(blob->registry, request, &own, cancel, ret_outcome, err);
    if (code != JF_OK || attempt.received == blob->size)
        return code;
    ret_outcome->outlook = JF_HTTP_PASSING;
    return jf_fail(err, JF_CLOSED, "%s: the registry ended after %" PRIu64 " of %" PRIu64 " bytes",
                   request->name, attempt.received, blob->size);
}

static void blob_ref(void *owner) {
    struct blob *blob = owner;
    atomic_fetch_add(&blob->references, 1);
}

static void blob_unref(void *owner) {
    struct blob *blob = owner;
    if (atomic_fetch_sub(&blob->references, 1) != 1)
        return;
    jf_registry_unref(blob->registry);
    free(blob);
}

static struct blob *new_blob(struct jf_registry *registry, uint64_t size) {
    struct blob *blob = calloc(1, sizeof *blob);
    if (!blob)
        return NULL;
    atomic_init(&blob->references, 1);
    blob->registry = jf_registry_ref(registry);
    blob->size = size;
    return blob;
}

static enum jf_code start(struct jf_registry *registry, const char *url, const char *digest,
                          struct blob *blob, const char *file, uint64_t offset,
                          struct jf_download **ret_download, struct jf_error *err) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s/%s: blob %.*s", registry->options.host,
             registry->options.repository, SHOWN_DIGITS, digest);
    struct jf_download_options options = {
        .request = jf_registry_request(registry, name, url),
        .file = file,
        .retries = registry->options.retries,
        .backoff_s = registry->options.backoff_s,
        .sha256 = strchr(digest, ':') + 1,
        .getter = {blob_get, blob_ref, blob_unref, blob},
    };
    options.request.offset = offset;
    return jf_download_start(&options, ret_download, err);
}

enum jf_code jf_registry_get_blob(struct jf_registry *registry, const char *digest, uint64_t size,
                                  const char *file, uint64_t offset, const struct jf_cancel *cancel,
                                  struct jf_download **ret_download, struct jf_error *err) {
    char *url = NULL;
    enum jf_code code = jf_oci_digest_check(digest, "blob", err);
    if (code == JF_OK)
        code = jf_registry_url(registry, "blobs", digest, cancel, &url, err);
    if (code != JF_OK)
        return code;
    struct blob *blob = new_blob(registry, size);
    code = blob ? start(registry, url, digest, blob, file, offset, ret_download, err)
                : jf_fail(err, JF_LIMIT, "not enough memory");
    if (blob)
        blob_unref(blob);
    free(url);
    return code;
}
