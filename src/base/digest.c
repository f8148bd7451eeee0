// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>

#define SHA256_SIZE 32

struct jf_digest {
    gnutls_hash_hd_t hash;
};

struct jf_digest *jf_digest_new(void) {
    struct jf_digest *digest = calloc(1, sizeof *digest);
    if (!digest)
        return NULL;
    if (gnutls_hash_init(&digest->hash, GNUTLS_DIG_SHA256) == 0)
        return digest;
    free(digest);
    return NULL;
}

void jf_digest_free(struct jf_digest *digest) {
    if (!digest)
        return;
    gnutls_hash_deinit(digest->hash, NULL);
    free(digest);
}

struct jf_digest *jf_digest_copy(const struct jf_digest *digest) {
    struct jf_digest *copy = calloc(1, sizeof *copy);
    if (!copy)
        return NULL;
    copy->hash = gnutls_hash_copy(digest->hash);
    if (copy->hash)
        return copy;
    free(copy);
    return NULL;
}

void jf_digest_update(struct jf_digest *digest, const void *bytes, size_t len) {
    gnutls_hash(digest->hash, bytes, len);
}

void jf_digest_hex(struct jf_digest *digest, char ret_hex[JF_SHA256_HEX_SIZE]) {
    unsigned char raw[SHA256_SIZE];
    gnutls_hash_output(digest->hash, raw);
    for (unsigned i = 0; i < SHA256_SIZE; i++)
        snprintf(ret_hex + 2 * (size_t)i, 3, "%02x", raw[i]);
}

void jf_digest_reset(struct jf_digest *digest) {
    // What was added is forgotten by taking it out.
    unsigned char raw[SHA256_SIZE];
    gnutls_hash_output(digest->hash, raw);
}
