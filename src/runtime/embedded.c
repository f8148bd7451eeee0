// SPDX-License-Identifier: Apache-2.0
#include "runtime/embedded.h"

#include <string.h>

const struct jf_embedded *jf_embedded_find(const char *name) {
    for (const struct jf_embedded *file = jf_embedded_files; file->name; file++) {
        if (strcmp(file->name, name) == 0)
            return file;
    }
    return NULL;
}
