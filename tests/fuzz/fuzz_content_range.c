// SPDX-License-Identifier: Apache-2.0
//
// Input: a Content-Range field. What is accepted does not contradict itself.
#include <stdlib.h>
#include <string.h>

#include "net/content_range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct jf_content_range range;
    char *field = malloc(len + 1);
    if (!field)
        return 0;
    memcpy(field, data, len);
    field[len] = '\0';
    bool good = jf_content_range_parse(field, &range);
    if (range.first < 0 || range.last < range.first || range.total < -1)
        abort();
    if (range.total >= 0 && range.last >= range.total)
        abort();
    if (!good && (range.first || range.last || range.total != -1))
        abort();
    free(field);
    return 0;
}
