// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sys/arguments.h"

struct example {
    const char *given[4];
    const char *shown[4];
};

static const struct example examples[] = {
    {{"flash", "disk.img"}, {"flash", "disk.img"}},
    {{"--bearer", "token", "disk.img"}, {"--bearer", "*****", "disk.img"}},
    {{"--bearer=token"}, {"--bearer******"}},
    {{"--bearer-file", "path"}, {"--bearer-file", "path"}},
    {{"--header", "K: V", "--bearer"}, {"--header", "****", "--bearer"}},
    {{"--header", "--bearer", "x"}, {"--header", "********", "x"}},
    {{"--bearer"}, {"--bearer"}},
    {{"https://example.org/a"}, {"https://example.org/a"}},
    {{"https://u:p@example.org/a"}, {"https://***@example.org/a"}},
    {{"https://u:p@q@example.org/a@b"}, {"https://*****@example.org/a@b"}},
    {{"https://example.org/a?b=c"}, {"https://example.org/a?***"}},
    {{"https://example.org?b@c"}, {"https://example.org?***"}},
    {{"https://u@example.org/a?b#c"}, {"https://*@example.org/a?***"}},
    {{"boot:http://u@h/"}, {"boot:http://*@h/"}},
    {{"http://"}, {"http://"}},
    {{"a@b?c"}, {"a@b?c"}},
};

static void blanks_secrets(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        char texts[5][64] = {"--bearer"};
        char *argv[6] = {texts[0]};
        int argc = 1;
        for (; argc <= 4 && examples[i].given[argc - 1]; argc++) {
            snprintf(texts[argc], sizeof texts[argc], "%s", examples[i].given[argc - 1]);
            argv[argc] = texts[argc];
        }
        char **copies = jf_arguments_take(argc, argv);
        assert_non_null(copies);
        assert_string_equal(argv[0], "--bearer"); // the program's name, whatever it is
        for (int n = 1; n < argc; n++) {
            assert_string_equal(copies[n], examples[i].given[n - 1]);
            assert_string_equal(argv[n], examples[i].shown[n - 1]);
        }
        assert_null(copies[argc]);
        jf_arguments_free(copies);
    }
    jf_arguments_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(blanks_secrets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
