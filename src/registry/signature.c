// SPDX-License-Identifier: Apache-2.0
#include "registry/signature.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <string.h>

static gnutls_datum_t datum(const void *bytes, size_t len) {
    return (gnutls_datum_t){.data = (unsigned char *)bytes, .size = (unsigned)len};
}

// GNUTLS_SIGN_UNKNOWN for what is not used here.
static gnutls_sign_algorithm_t algorithm_of(gnutls_pubkey_t key) {
    switch (gnutls_pubkey_get_pk_algorithm(key, NULL)) {
    case GNUTLS_PK_ECDSA:
        return GNUTLS_SIGN_ECDSA_SHA256;
    case GNUTLS_PK_RSA:
        return GNUTLS_SIGN_RSA_SHA256;
    case GNUTLS_PK_EDDSA_ED25519:
        return GNUTLS_SIGN_EDDSA_ED25519;
    default:
        return GNUTLS_SIGN_UNKNOWN;
    }
}

static enum jf_code verify(gnutls_pubkey_t key, const char *key_name, const gnutls_datum_t *bytes,
                           const char *signature, struct jf_error *err) {
    gnutls_sign_algorithm_t algorithm = algorithm_of(key);
    gnutls_datum_t encoded = datum(signature, strlen(signature)), raw;
    if (algorithm == GNUTLS_SIGN_UNKNOWN)
        return jf_fail(err, JF_UNSUPPORTED, "%s: a key for ECDSA, RSA or Ed25519 is expected",
                       key_name);
    if (gnutls_base64_decode2(&encoded, &raw) != 0)
        return jf_fail(err, JF_PROTOCOL, "the signature is not in base64");
    int result = gnutls_pubkey_verify_data2(key, algorithm, 0, bytes, &raw);
    gnutls_free(raw.data);
    if (result >= 0)
        return JF_OK;
    return jf_fail(err, JF_CHECKSUM, "the signature is not by %s: %s", key_name,
                   gnutls_strerror(result));
}

enum jf_code jf_signature_check(const char *pem, size_t pem_len, const char *key_name,
                                const void *bytes, size_t len, const char *signature,
                                struct jf_error *err) {
    gnutls_pubkey_t key;
    const gnutls_datum_t text = datum(pem, pem_len), signed_bytes = datum(bytes, len);
    if (gnutls_pubkey_init(&key) != 0)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    int result = gnutls_pubkey_import(key, &text, GNUTLS_X509_FMT_PEM);
    enum jf_code code = result == 0
                            ? verify(key, key_name, &signed_bytes, signature, err)
                            : jf_fail(err, JF_UNSUPPORTED, "%s: is no public key in PEM (%s)",
                                      key_name, gnutls_strerror(result));
    gnutls_pubkey_deinit(key);
    return code;
}
