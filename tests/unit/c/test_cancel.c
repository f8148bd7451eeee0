// SPDX-License-Identifier: Apache-2.0
//
// When code that does not wait is interrupted, and when it is left alone.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/cancel.h"

static int setup(void **state) {
    *state = jf_cancel_new();
    return *state ? 0 : -1;
}

static int teardown(void **state) {
    jf_cancel_free(*state);
    return 0;
}

static void interrupts_once_requested(void **state) {
    struct jf_error err;
    assert_int_equal(jf_cancel_interrupt(*state, &err), JF_OK);
    jf_cancel_request(*state, SIGINT);
    assert_int_equal(jf_cancel_interrupt(*state, &err), JF_CANCELLED);
    assert_string_equal(err.message, "cancelled by SIGINT");
}

static void leaves_what_unwinds_alone(void **state) {
    struct jf_error err;
    jf_cancel_request(*state, SIGTERM);
    jf_cancel_told(*state);
    assert_int_equal(jf_cancel_interrupt(*state, &err), JF_OK);
    // A wait is told every time.
    assert_int_equal(jf_cancel_check(*state, &err), JF_CANCELLED);
}

static void leaves_alone_what_follows_a_masked_section(void **state) {
    struct jf_error err;
    jf_cancel_request(*state, SIGTERM);
    jf_deadline outer = jf_cancel_mask(*state, jf_deadline_in(10));
    assert_int_equal(jf_cancel_interrupt(*state, &err), JF_OK);
    jf_cancel_unmask(*state, outer);
    assert_int_equal(jf_cancel_interrupt(*state, &err), JF_OK);
}

static void interrupts_again_what_goes_on(void **state) {
    struct jf_error err;
    jf_cancel_request(*state, SIGTERM);
    assert_int_equal(jf_cancel_interrupt(*state, &err), JF_CANCELLED);
    assert_int_equal(jf_cancel_interrupt(*state, &err), JF_OK);
    jf_deadline late = jf_deadline_in(10);
    while (jf_cancel_interrupt(*state, &err) == JF_OK && jf_deadline_left_ns(late) > 0)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(err.code, JF_CANCELLED);
    assert_true(jf_deadline_left_ns(late) > 0);
}

static void interrupts_a_masked_section_that_overruns(void **state) {
    struct jf_error err;
    jf_deadline outer = jf_cancel_mask(*state, jf_deadline_in(0));
    assert_int_equal(jf_cancel_interrupt(*state, &err), JF_TIMEOUT);
    jf_cancel_unmask(*state, outer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(interrupts_once_requested, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_what_unwinds_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_alone_what_follows_a_masked_section, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(interrupts_again_what_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(interrupts_a_masked_section_that_overruns, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
