// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "net/content_range.h"

struct example {
    const char *field;
    bool good;
    int64_t first, last, total;
};

static const struct example examples[] = {
    {"bytes 0-0/1", true, 0, 0, 1},
    {"bytes 5-9/10", true, 5, 9, 10},
    {"Bytes 5-9/10 ", true, 5, 9, 10},
    {"bytes 5-9/*", true, 5, 9, -1},
    {"bytes 5368709120-5368709129/5368709130", true, 5368709120, 5368709129, 5368709130},
    {"bytes */10", false, 0, 0, -1},
    {"bytes 5-9/9", false, 0, 0, -1},
    {"bytes 5-4/10", false, 0, 0, -1},
    {"bytes 5-9", false, 0, 0, -1},
    {"bytes 5-/10", false, 0, 0, -1},
    {"bytes -5/10", false, 0, 0, -1},
    {"bytes 5-9/10x", false, 0, 0, -1},
    {"bytes 5-9/", false, 0, 0, -1},
    {"bytes=5-9/10", false, 0, 0, -1},
    {"lines 5-9/10", false, 0, 0, -1},
    {"bytes 5-99999999999999999999/*", false, 0, 0, -1},
    {"bytes +5-9/10", false, 0, 0, -1},
    {"bytes ", false, 0, 0, -1},
    {"", false, 0, 0, -1},
};

static void reads_the_field(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct jf_content_range range;
        print_message("%s\n", examples[i].field);
        assert_int_equal(jf_content_range_parse(examples[i].field, &range), examples[i].good);
        assert_int_equal(range.first, examples[i].first);
        assert_int_equal(range.last, examples[i].last);
        assert_int_equal(range.total, examples[i].total);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_the_field)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
