// SPDX-License-Identifier: Apache-2.0
//
// Input: a reference. What is accepted is written as text that is read as the same.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "registry/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static struct jf_reference first, second;
    char text[JF_REFERENCE_TEXT_SIZE];
    struct jf_error err;
    char *input = malloc(len + 1);
    if (!input)
        return 0;
    memcpy(input, data, len);
    input[len] = '\0';
    if (jf_reference_parse(input, &first, &err) == JF_OK) {
        jf_reference_text(&first, text);
        if (jf_reference_parse(text, &second, &err) != JF_OK ||
            memcmp(&first, &second, sizeof first) != 0)
            abort();
        if (first.kind == JF_REFERENCE_REGISTRY && (!first.host[0] || !first.name[0]))
            abort();
        jf_reference_is_local(first.host);
    }
    free(input);
    return 0;
}
