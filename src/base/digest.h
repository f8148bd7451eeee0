// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 (FIPS 180-4), computed as bytes pass by.
#ifndef JF_BASE_DIGEST_H
#define JF_BASE_DIGEST_H

#include <stddef.h>

#define JF_SHA256_HEX_SIZE 65 // 64 lower-case digits and a NUL

struct jf_digest;

// NULL when memory is out. Free with jf_digest_free, which accepts NULL.
struct jf_digest *jf_digest_new(void);
void jf_digest_free(struct jf_digest *digest);

// One that goes on from the same state; NULL when memory is out.
struct jf_digest *jf_digest_copy(const struct jf_digest *digest);

void jf_digest_update(struct jf_digest *digest, const void *bytes, size_t len);

// Ends the computation; after it only jf_digest_free and jf_digest_reset are allowed.
void jf_digest_hex(struct jf_digest *digest, char ret_hex[JF_SHA256_HEX_SIZE]);

// Starts over, as new.
void jf_digest_reset(struct jf_digest *digest);

#endif
