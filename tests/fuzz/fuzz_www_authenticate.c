// SPDX-License-Identifier: Apache-2.0
//
// Input: a field WWW-Authenticate. A Bearer challenge has a realm, and no value can
// break out of a line.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "registry/www_authenticate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const char *value) {
    if (strlen(value) >= JF_CHALLENGE_TEXT_SIZE || strpbrk(value, "\r\n"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    struct jf_challenges challenges;
    char *field = malloc(len + 1);
    if (!field)
        return 0;
    memcpy(field, data, len);
    field[len] = '\0';
    bool good = jf_challenges_parse(field, &challenges);
    if (challenges.bearer && !challenges.realm[0])
        abort();
    if (!good && (challenges.bearer || challenges.basic))
        abort();
    check(challenges.realm);
    check(challenges.service);
    check(challenges.scope);
    free(field);
    return 0;
}
