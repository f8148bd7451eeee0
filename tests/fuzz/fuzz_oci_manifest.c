// SPDX-License-Identifier: Apache-2.0
//
// Input: a manifest or an index. What is accepted has proper digests, and sizes whose
// sum is a number.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "registry/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const types[] = {NULL, "application/vnd.oci.image.index.v1+json"};

static void check(const struct jf_manifest *manifest) {
    uint64_t sum = 0;
    for (size_t i = 0; i < manifest->count; i++) {
        const struct jf_descriptor *item = &manifest->items[i];
        if (!item->media_type || strlen(item->digest) != JF_DIGEST_SIZE - 1)
            abort();
        if (__builtin_add_overflow(sum, item->size, &sum))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct jf_manifest manifest;
        struct jf_error err;
        if (jf_manifest_parse((const char *)data, len, types[i], "manifest", &manifest, &err) ==
            JF_OK)
            check(&manifest);
        jf_manifest_free(&manifest);
    }
    return 0;
}
