// SPDX-License-Identifier: Apache-2.0
//
// Input: a credential file. A user comes with a password, a helper's name is one.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "registry/auth_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const places[][2] = {
    {"quay.io", "org/name"}, {"docker.io", "library/x"}, {"localhost:5000", ""}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct jf_auth_entry entry;
        struct jf_error err;
        enum jf_code code = jf_auth_file_find((const char *)data, len, "file", places[i][0],
                                              places[i][1], &entry, &err);
        if (!entry.credentials.user != !entry.credentials.password)
            abort();
        if (strchr(entry.helper, '/') || (code != JF_OK && entry.key))
            abort();
        jf_auth_entry_free(&entry);
    }
    return 0;
}
