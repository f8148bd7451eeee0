// SPDX-License-Identifier: Apache-2.0
#include "net/curl_lib.h"

#include "sys/library.h"

static const struct jf_symbol symbols[] = {
#define JF_CURL_SYMBOL(name) {"curl_" #name, offsetof(struct jf_curl, name)},
    JF_CURL_FUNCTIONS(JF_CURL_SYMBOL)
#undef JF_CURL_SYMBOL
};

// The GnuTLS flavour first: libmicrohttpd has brought GnuTLS in already.
static const struct jf_library library = {
    .file = "libcurl-gnutls.so.4",
    .other_file = "libcurl.so.4",
    .need = "fetching URLs",
    .remedy = "apt install libcurl3-gnutls",
    .symbols = symbols,
    .count = sizeof symbols / sizeof *symbols,
};

enum jf_code jf_curl_load(struct jf_curl *curl, struct jf_error *err) {
    enum jf_code code = jf_library_load(&library, curl, &curl->library, err);
    if (code != JF_OK || curl->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        return code;
    jf_library_unload(&curl->library);
    return jf_fail(err, JF_LIMIT, "libcurl cannot be used: not enough memory");
}

void jf_curl_unload(struct jf_curl *curl) {
    if (curl->library)
        curl->global_cleanup();
    jf_library_unload(&curl->library);
}
