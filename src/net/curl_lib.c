// SPDX-License-Identifier: Apache-2.0
#include "net/curl_lib.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

// The GnuTLS flavour first: libmicrohttpd has brought GnuTLS in already.
static const char *const libraries[] = {"libcurl-gnutls.so.4", "libcurl.so.4"};

struct entry {
    const char *name;
    size_t offset;
};

static const struct entry entries[] = {
#define JF_CURL_ENTRY(name) {"curl_" #name, offsetof(struct jf_curl, name)},
    JF_CURL_FUNCTIONS(JF_CURL_ENTRY)
#undef JF_CURL_ENTRY
};

// The name of the first function that the library lacks, or NULL.
static const char *find_functions(struct jf_curl *curl) {
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        void *function = dlsym(curl->library, entries[i].name);
        if (!function)
            return entries[i].name;
        // A data pointer is a function pointer here (POSIX, dlsym).
        memcpy((char *)curl + entries[i].offset, &function, sizeof function);
    }
    return NULL;
}

static void open_library(struct jf_curl *curl) {
    // Not unloaded before the process ends: the libraries behind it may have
    // left threads' data and exit handlers.
    const int flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries && !curl->library; i++)
        curl->library = dlopen(libraries[i], flags);
}

enum jf_code jf_curl_load(struct jf_curl *curl, struct jf_error *err) {
    *curl = (struct jf_curl){0};
    open_library(curl);
    if (!curl->library)
        return jf_fail(err, JF_UNSUPPORTED,
                       "fetching URLs needs %s, which is not installed: apt install "
                       "libcurl3-gnutls",
                       libraries[0]);
    const char *missing = find_functions(curl);
    if (!missing && curl->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        return JF_OK;
    dlclose(curl->library);
    curl->library = NULL;
    if (missing)
        return jf_fail(err, JF_UNSUPPORTED, "libcurl is older than 7.84: it has no %s", missing);
    return jf_fail(err, JF_LIMIT, "libcurl cannot be used: not enough memory");
}

void jf_curl_unload(struct jf_curl *curl) {
    if (!curl->library)
        return;
    curl->global_cleanup();
    dlclose(curl->library);
    curl->library = NULL;
}
