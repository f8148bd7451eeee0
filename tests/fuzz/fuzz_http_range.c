// SPDX-License-Identifier: Apache-2.0
//
// Input: a Range field. Whatever it says, the range lies within the content.
#include <stdlib.h>
#include <string.h>

#include "serve/http_range.h"

static void check(const char *field, int64_t size) {
    struct jf_http_range range;
    enum jf_http_range_result result = jf_http_range_parse(field, size, &range);
    if (range.first < 0 || range.count < 0 || range.count > size ||
        range.first > size - range.count)
        abort();
    if (result == JF_RANGE_WHOLE && (range.first != 0 || range.count != size))
        abort();
    if (result == JF_RANGE_PART && range.count == 0)
        abort();
    if (result == JF_RANGE_UNSATISFIED && range.count != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static const int64_t sizes[] = {0, 1, 10, 4294967296, INT64_MAX};
    char *field = malloc(len + 1);
    if (!field)
        return 0;
    memcpy(field, data, len);
    field[len] = '\0';
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check(field, sizes[i]);
    free(field);
    return 0;
}
