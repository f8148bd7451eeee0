// SPDX-License-Identifier: Apache-2.0
//
// Telling a format, and the refusal with its hint. The part up to the first NUL
// (at most 64 bytes) is the file's name.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char name[65] = "";
    size_t name_len = strnlen((const char *)data, size < 64 ? size : 64);
    memcpy(name, data, name_len);
    size_t used = name_len < size ? name_len + 1 : name_len;

    size_t len = size - used;
    unsigned char *head = malloc(len ? len : 1);
    if (len)
        memcpy(head, data + used, len);
    enum jf_format format = jf_format_detect(head, len);
    free(head);

    char hint[JF_HINT_SIZE];
    struct jf_error err;
    for (int outer = JF_FORMAT_RAW; outer <= JF_FORMAT_LZ4; outer++)
        jf_format_check((enum jf_format)outer, format, name, hint, &err);
    if (jf_format_check(format, JF_FORMAT_AUTO, name, hint, &err) != JF_OK && !hint[0])
        abort();
    return 0;
}
