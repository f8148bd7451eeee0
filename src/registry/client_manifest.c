// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_retry.h"
#include "registry/client_internal.h"
#include "registry/manifest.h"

#define NAME_SIZE (JF_REFERENCE_HOST_SIZE + JF_REFERENCE_NAME_SIZE + JF_REFERENCE_TAG_SIZE + 8)

// An answer on its way in.
struct incoming {
    const char *name;
    struct jf_registry_manifest *manifest;
    char announced[JF_HTTP_VALIDATOR_SIZE]; // the registry's Docker-Content-Digest
};

static enum jf_code fail_size(const struct incoming *in, struct jf_error *err) {
    return jf_fail(err, JF_LIMIT, "%s: its manifest has more than the %zu bytes that are taken",
                   in->name, JF_MANIFEST_LIMIT);
}

static enum jf_code on_answer(void *context, const struct jf_http_answer *answer,
                              struct jf_error *err) {
    struct incoming *in = context;
    in->manifest->text.len = 0; // of an earlier try
    memcpy(in->manifest->media_type, answer->content_type, sizeof answer->content_type);
    memcpy(in->announced, answer->digest, sizeof in->announced);
    if (answer->length > (int64_t)JF_MANIFEST_LIMIT)
        return fail_size(in, err);
    return JF_OK;
}

static enum jf_code on_bytes(void *context, const void *bytes, size_t len, struct jf_error *err) {
    struct incoming *in = context;
    if (in->manifest->text.len + len > JF_MANIFEST_LIMIT)
        return fail_size(in, err);
    return jf_buf_add(&in->manifest->text, bytes, len)
               ? JF_OK
               : jf_fail(err, JF_LIMIT, "not enough memory");
}

static enum jf_code compute_digest(struct jf_registry_manifest *manifest, struct jf_error *err) {
    char hex[JF_SHA256_HEX_SIZE];
    struct jf_digest *digest = jf_digest_new();
    if (!digest)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    jf_digest_update(digest, manifest->text.data, manifest->text.len);
    jf_digest_hex(digest, hex);
    jf_digest_free(digest);
    snprintf(manifest->digest, sizeof manifest->digest, "sha256:%s", hex);
    return JF_OK;
}

static enum jf_code check_digest(const struct incoming *in, const char *asked,
                                 struct jf_error *err) {
    const char *got = in->manifest->digest;
    if (strchr(asked, ':') && strcmp(asked, got) != 0)
        return jf_fail(err, JF_CHECKSUM, "%s: the registry sent a manifest with the digest %s",
                       in->name, got);
    // A registry may announce a digest of another algorithm.
    if (strncmp(in->announced, "sha256:", 7) == 0 && strcmp(in->announced, got) != 0)
        return jf_fail(err, JF_CHECKSUM,
                       "%s: the registry announced the digest %s, and sent a "
                       "manifest with %s",
                       in->name, in->announced, got);
    return JF_OK;
}

static enum jf_code fetch(struct jf_registry *registry, const struct jf_http_request *request,
                          struct incoming *in, const struct jf_cancel *cancel,
                          struct jf_http_outcome *outcome, struct jf_error *err) {
    const struct jf_http_taker taker = {on_answer, on_bytes, in};
    for (unsigned used = 0;; used++) {
        enum jf_code code = jf_registry_get(registry, request, &taker, cancel, outcome, err);
        if (code == JF_OK || code == JF_CANCELLED || used >= registry->options.retries ||
            !jf_http_may_pass(outcome, false))
            return code;
        code = jf_http_back_off(outcome, registry->options.backoff_s, used, cancel, err);
        if (code != JF_OK)
            return code;
    }
}

enum jf_code jf_registry_get_manifest(struct jf_registry *registry, const char *tag_or_digest,
                                      const struct jf_cancel *cancel,
                                      struct jf_registry_manifest *ret,
                                      struct jf_http_outcome *ret_outcome, struct jf_error *err) {
    const struct jf_registry_options *options = &registry->options;
    char name[NAME_SIZE];
    char *url = NULL;
    const char *joint = strchr(tag_or_digest, ':') ? "@" : ":";
    snprintf(name, sizeof name, "%s/%s%s%s", options->host, options->repository, joint,
             tag_or_digest);
    struct incoming in = {.name = name, .manifest = ret};
    *ret_outcome = (struct jf_http_outcome){.retry_after_s = -1};
    enum jf_code code = jf_registry_url(registry, "manifests", tag_or_digest, cancel, &url, err);
    if (code == JF_OK) {
        struct jf_http_request request = jf_registry_request(registry, name, url);
        request.accept = jf_manifest_accept;
        code = fetch(registry, &request, &in, cancel, ret_outcome, err);
    }
    free(url);
    if (code == JF_OK)
        code = compute_digest(ret, err);
    if (code == JF_OK)
        code = check_digest(&in, tag_or_digest, err);
    return code;
}
