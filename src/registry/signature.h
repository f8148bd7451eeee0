// SPDX-License-Identifier: Apache-2.0
//
// Signatures by a key pair, as cosign makes them: ECDSA over SHA-256, RSA (PKCS #1) over
// SHA-256, or Ed25519.
#ifndef JF_REGISTRY_SIGNATURE_H
#define JF_REGISTRY_SIGNATURE_H

#include <stddef.h>

#include "base/error.h"

// Checks `signature` (base64) of `bytes` with the public key `pem`, a SubjectPublicKeyInfo in
// PEM that messages call `key_name`. JF_CHECKSUM: it is not by this key, or not of these bytes.
// JF_UNSUPPORTED: that is no public key, or one of another kind. JF_PROTOCOL: no base64.
enum jf_code jf_signature_check(const char *pem, size_t pem_len, const char *key_name,
                                const void *bytes, size_t len, const char *signature,
                                struct jf_error *err);

#endif
