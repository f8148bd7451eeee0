// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "registry/www_authenticate.h"

struct example {
    const char *field;
    bool good, basic, bearer;
    const char *realm, *service, *scope;
};

static const struct example examples[] = {
    {"Bearer realm=\"https://a/token\",service=\"s\",scope=\"repository:x:pull\"", true, false,
     true, "https://a/token", "s", "repository:x:pull"},
    {"bearer REALM=\"r\"", true, false, true, "r", "", ""},
    {"Bearer realm = \"r\" , service\t=\ts", true, false, true, "r", "s", ""},
    {"Bearer realm=\"a\\\"b\\\\c\"", true, false, true, "a\"b\\c", "", ""},
    {"Bearer realm=\"x,y=z\"", true, false, true, "x,y=z", "", ""},
    {"Bearer realm=\"r\", error=\"invalid_token\"", true, false, true, "r", "", ""},
    {"Bearer realm=\"1\", realm=\"2\"", true, false, true, "1", "", ""},
    {"Basic realm=\"r\"", true, true, false, "", "", ""},
    {"Basic", true, true, false, "", "", ""},
    {"Basic realm=\"x\", Bearer realm=\"y\"", true, true, true, "y", "", ""},
    {"Bearer realm=\"y\", Basic realm=\"x\"", true, true, true, "y", "", ""},
    {"Bearer realm=\"1\", Bearer realm=\"2\"", true, false, true, "1", "", ""},
    {"Negotiate abc==, Basic", true, true, false, "", "", ""},
    {"Negotiate, Bearer realm=\"y\"", true, false, true, "y", "", ""},
    {"Bearer service=\"s\"", true, false, false, "", "s", ""},
    {", ,Basic,,", true, true, false, "", "", ""},
    {"", true, false, false, "", "", ""},
    {"Bearer realm=\"x", false, false, false, "", "", ""},
    {"Bearer realm=\"x\" y", false, false, false, "", "", ""},
    {"Bearer realm=\"x\ry\"", false, false, false, "", "", ""},
    {"Bearer realm=\"x\\", false, false, false, "", "", ""},
    {"@", false, false, false, "", "", ""},
    {"Bearer=x", false, false, false, "", "", ""},
};

static void reads_challenges(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const struct example *example = &examples[i];
        struct jf_challenges challenges;
        print_message("%s\n", example->field);
        assert_int_equal(jf_challenges_parse(example->field, &challenges), example->good);
        assert_int_equal(challenges.basic, example->basic);
        assert_int_equal(challenges.bearer, example->bearer);
        assert_string_equal(challenges.realm, example->realm);
        assert_string_equal(challenges.service, example->service);
        assert_string_equal(challenges.scope, example->scope);
    }
}

static void refuses_long_values(void **state) {
    (void)state;
    char field[JF_CHALLENGE_TEXT_SIZE + 64];
    struct jf_challenges challenges;
    for (size_t extra = 0; extra < 2; extra++) {
        int len = snprintf(field, sizeof field, "Bearer realm=\"");
        memset(field + len, 'x', JF_CHALLENGE_TEXT_SIZE - 1 + extra);
        strcpy(field + len + JF_CHALLENGE_TEXT_SIZE - 1 + extra, "\"");
        assert_int_equal(jf_challenges_parse(field, &challenges), extra == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_challenges),
        cmocka_unit_test(refuses_long_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
