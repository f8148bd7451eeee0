// SPDX-License-Identifier: Apache-2.0
//
// The settings of a line as RFC 2217's requests.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// (cmocka wants those before it)
#include <cmocka.h>

#include "console/rfc2217.h"

static uint32_t value_of(const struct jf_line *line, uint8_t command) {
    struct jf_rfc2217_request requests[JF_RFC2217_LINE_REQUESTS];
    jf_rfc2217_line(line, requests);
    for (size_t i = 0; i < JF_RFC2217_LINE_REQUESTS; i++) {
        if (requests[i].command == command)
            return requests[i].value;
    }
    return UINT32_MAX;
}

static void asks_for_each_parity(void **state) {
    static const enum jf_parity parities[] = {JF_PARITY_NONE, JF_PARITY_ODD, JF_PARITY_EVEN,
                                              JF_PARITY_MARK, JF_PARITY_SPACE};
    (void)state;
    for (uint32_t i = 0; i < sizeof parities / sizeof *parities; i++) {
        struct jf_line line = {.baudrate = 9600, .parity = parities[i]};
        assert_int_equal(value_of(&line, JF_RFC2217_SET_PARITY), i + 1);
    }
}

static void asks_for_each_flow_control(void **state) {
    static const struct {
        enum jf_flow flow;
        uint32_t value;
    } cases[] = {
        {JF_FLOW_NONE, 1}, {JF_FLOW_XONXOFF, 2}, {JF_FLOW_RTSCTS, 3}, {JF_FLOW_DTRDSR, 19}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jf_line line = {.baudrate = 9600, .flow = cases[i].flow};
        assert_int_equal(value_of(&line, JF_RFC2217_SET_CONTROL), cases[i].value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_each_parity),
        cmocka_unit_test(asks_for_each_flow_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
