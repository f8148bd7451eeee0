// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "registry/auth_file.h"

// "ann:secret", "bob:x:y".
#define ANN "{\"auth\": \"YW5uOnNlY3JldA==\"}"
#define BOB "{\"auth\": \"Ym9iOng6eQ==\"}"

struct example {
    const char *text;
    const char *host;
    const char *repository;
    enum jf_code code;
    const char *user, *password, *token, *helper; // "": none
};

#define NOTHING "", "", "", ""

static const struct example examples[] = {
    {"{\"auths\": {\"quay.io\": " ANN "}}", "quay.io", "a/b", JF_OK, "ann", "secret", "", ""},
    {"{\"auths\": {\"quay.io\": " BOB "}}", "quay.io", "a/b", JF_OK, "bob", "x:y", "", ""},
    {"{\"auths\": {\"quay.io\": " ANN "}}", "quay.io:443", "a/b", JF_OK, NOTHING},
    {"{\"auths\": {\"quay.io\": " ANN "}}", "uay.io", "a/b", JF_OK, NOTHING},
    {"{\"auths\": {\"h:5000\": " ANN "}}", "h:5000", "a", JF_OK, "ann", "secret", "", ""},
    {"{\"auths\": {\"h\": {\"username\": \"u\", \"password\": \"p\"}}}", "h", "a", JF_OK, "u", "p",
     "", ""},
    {"{\"auths\": {\"h\": {\"identitytoken\": \"t\"}}}", "h", "a", JF_OK, "", "", "t", ""},
    // The longest prefix of whole components.
    {"{\"auths\": {\"h\": " BOB ", \"h/org\": " ANN "}}", "h", "org/x", JF_OK, "ann", "secret", "",
     ""},
    {"{\"auths\": {\"h\": " BOB ", \"h/org/\": " ANN "}}", "h", "org", JF_OK, "ann", "secret", "",
     ""},
    {"{\"auths\": {\"h\": " BOB ", \"h/or\": " ANN "}}", "h", "org/x", JF_OK, "bob", "x:y", "", ""},
    {"{\"auths\": {\"h/org/x/y\": " ANN "}}", "h", "org/x", JF_OK, NOTHING},
    // Docker Hub, and Docker's old keys.
    {"{\"auths\": {\"https://index.docker.io/v1/\": " ANN "}}", "docker.io", "library/x", JF_OK,
     "ann", "secret", "", ""},
    {"{\"auths\": {\"registry-1.docker.io\": " ANN "}}", "docker.io", "library/x", JF_OK, "ann",
     "secret", "", ""},
    {"{\"auths\": {\"docker.io/user\": " ANN "}}", "docker.io", "user/x", JF_OK, "ann", "secret",
     "", ""},
    {"{\"auths\": {\"https://h/v2/\": " ANN "}}", "h", "a", JF_OK, "ann", "secret", "", ""},
    // Helpers.
    {"{\"credHelpers\": {\"h\": \"one\"}, \"credsStore\": \"two\"}", "h", "a", JF_OK, "", "", "",
     "one"},
    {"{\"credHelpers\": {\"g\": \"one\"}, \"credsStore\": \"two\"}", "h", "a", JF_OK, "", "", "",
     "two"},
    {"{\"auths\": {\"h\": {}}, \"credsStore\": \"two\"}", "h", "a", JF_OK, "", "", "", "two"},
    {"{\"auths\": {\"h\": " ANN "}, \"credsStore\": \"two\"}", "h", "a", JF_OK, "ann", "secret", "",
     ""},
    {"{\"auths\": {\"h\": " ANN "}, \"credHelpers\": {\"h\": \"one\"}}", "h", "a", JF_OK, "", "",
     "", "one"},
    {"{\"auths\": {\"h/a\": " ANN "}, \"credHelpers\": {\"h\": \"one\"}}", "h", "a", JF_OK, "ann",
     "secret", "", ""},
    {"{\"credsStore\": \"../evil\"}", "h", "a", JF_PROTOCOL, NOTHING},
    {"{\"credHelpers\": {\"h\": 5}}", "h", "a", JF_PROTOCOL, NOTHING},
    // Nothing, and nothing good.
    {"{}", "h", "a", JF_OK, NOTHING},
    {"{\"auths\": []}", "h", "a", JF_OK, NOTHING},
    {"[]", "h", "a", JF_PROTOCOL, NOTHING},
    {"", "h", "a", JF_PROTOCOL, NOTHING},
    {"{\"auths\": {\"h\": {\"auth\": \"secret!\"}}}", "h", "a", JF_PROTOCOL, NOTHING},
    {"{\"auths\": {\"h\": {\"auth\": \"c2VjcmV0\"}}}", "h", "a", JF_PROTOCOL, NOTHING}, // no colon
    {"{\"auths\": {\"h\": {\"username\": \"secret\"}}}", "h", "a", JF_PROTOCOL, NOTHING},
    {"{\"auths\": {\"g\": {\"auth\": \"secret!\"}}}", "h", "a", JF_OK, NOTHING}, // of no concern
};

static void same(const char *expected, const char *got) {
    assert_string_equal(expected, got ? got : "");
}

static void finds_entries(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const struct example *example = &examples[i];
        struct jf_auth_entry entry;
        struct jf_error err = {0};
        print_message("%s\n", example->text);
        enum jf_code code = jf_auth_file_find(example->text, strlen(example->text), "the file",
                                              example->host, example->repository, &entry, &err);
        assert_int_equal(code, example->code);
        if (code != JF_OK) {
            assert_int_equal(strncmp(err.message, "the file", 8), 0);
            assert_null(strstr(err.message, "secret"));
        }
        same(example->user, entry.credentials.user);
        same(example->password, entry.credentials.password);
        same(example->token, entry.credentials.identity_token);
        same(example->helper, entry.helper);
        jf_auth_entry_free(&entry);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_entries)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
