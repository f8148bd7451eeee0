// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "serve/http_range.h"

struct example {
    const char *field;
    int64_t size;
    enum jf_http_range_result result;
    int64_t first;
    int64_t count;
};

static const struct example examples[] = {
    // None.
    {NULL, 10, JF_RANGE_WHOLE, 0, 10},
    {NULL, 0, JF_RANGE_WHOLE, 0, 0},
    // One.
    {"bytes=0-0", 10, JF_RANGE_PART, 0, 1},
    {"bytes=2-4", 10, JF_RANGE_PART, 2, 3},
    {"bytes=9-9", 10, JF_RANGE_PART, 9, 1},
    {"bytes=0-9", 10, JF_RANGE_PART, 0, 10},
    {"bytes=5-100", 10, JF_RANGE_PART, 5, 5},
    {"bytes=5-", 10, JF_RANGE_PART, 5, 5},
    {"bytes=0-", 10, JF_RANGE_PART, 0, 10},
    {"bytes=-3", 10, JF_RANGE_PART, 7, 3},
    {"bytes=-10", 10, JF_RANGE_PART, 0, 10},
    {"bytes=-11", 10, JF_RANGE_PART, 0, 10},
    {"Bytes=1-2", 10, JF_RANGE_PART, 1, 2},
    {"bytes= 1-2 ", 10, JF_RANGE_PART, 1, 2},
    {"bytes=5368709110-", 5368709120, JF_RANGE_PART, 5368709110, 10},
    {"bytes=1-99999999999999999999999999", 10, JF_RANGE_PART, 1, 9},
    {"bytes=-99999999999999999999999999", 10, JF_RANGE_PART, 0, 10},
    // Outside.
    {"bytes=10-", 10, JF_RANGE_UNSATISFIED, 0, 0},
    {"bytes=10-12", 10, JF_RANGE_UNSATISFIED, 0, 0},
    {"bytes=-0", 10, JF_RANGE_UNSATISFIED, 0, 0},
    {"bytes=99999999999999999999999999-", 10, JF_RANGE_UNSATISFIED, 0, 0},
    {"bytes=0-", 0, JF_RANGE_UNSATISFIED, 0, 0},
    {"bytes=-5", 0, JF_RANGE_UNSATISFIED, 0, 0},
    // Several, malformed, another unit.
    {"bytes=0-1,3-4", 10, JF_RANGE_WHOLE, 0, 10},
    {"bytes=4-2", 10, JF_RANGE_WHOLE, 0, 10},
    {"bytes=-", 10, JF_RANGE_WHOLE, 0, 10},
    {"bytes=", 10, JF_RANGE_WHOLE, 0, 10},
    {"bytes", 10, JF_RANGE_WHOLE, 0, 10},
    {"", 10, JF_RANGE_WHOLE, 0, 10},
    {"bytes=a-b", 10, JF_RANGE_WHOLE, 0, 10},
    {"bytes=1", 10, JF_RANGE_WHOLE, 0, 10},
    {"bytes=1-2x", 10, JF_RANGE_WHOLE, 0, 10},
    {"bytes=--1", 10, JF_RANGE_WHOLE, 0, 10},
    {"bytes=+1-2", 10, JF_RANGE_WHOLE, 0, 10},
    {"bytes=1 - 2", 10, JF_RANGE_WHOLE, 0, 10},
    {"lines=1-2", 10, JF_RANGE_WHOLE, 0, 10},
};

static void reads_the_field(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const struct example *example = &examples[i];
        struct jf_http_range range;
        print_message("%s of %lld\n", example->field ? example->field : "(none)",
                      (long long)example->size);
        assert_int_equal(jf_http_range_parse(example->field, example->size, &range),
                         example->result);
        assert_int_equal(range.first, example->first);
        assert_int_equal(range.count, example->count);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_the_field)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
