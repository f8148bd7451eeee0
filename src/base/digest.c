// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct jf_digest {
    EVP_MD_CTX *context;
};

struct jf_digest *jf_digest_new(void) {
    struct jf_digest *digest = calloc(1, sizeof *digest);
    if (!digest)
        return NULL;
    digest->context = EVP_MD_CTX_new();
    if (!digest->context || !EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL)) {
        jf_digest_free(digest);
        return NULL;
    }
    return digest;
}

void jf_digest_free(struct jf_digest *digest) {
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

struct jf_digest *jf_digest_copy(const struct jf_digest *digest) {
    struct jf_digest *copy = jf_digest_new();
    if (!copy || EVP_MD_CTX_copy_ex(copy->context, digest->context))
        return copy;
    jf_digest_free(copy);
    return NULL;
}

void jf_digest_update(struct jf_digest *digest, const void *bytes, size_t len) {
    EVP_DigestUpdate(digest->context, bytes, len);
}

void jf_digest_hex(struct jf_digest *digest, char ret_hex[JF_SHA256_HEX_SIZE]) {
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_DigestFinal_ex(digest->context, raw, &len);
    for (unsigned i = 0; i < 32; i++)
        snprintf(ret_hex + 2 * (size_t)i, 3, "%02x", raw[i]);
}

void jf_digest_reset(struct jf_digest *digest) {
    EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL);
}
