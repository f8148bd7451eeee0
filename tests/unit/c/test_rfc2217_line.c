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
    size_t count = 0;
    assert_int_equal(jf_rfc2217_line(line, requests, &count, NULL), JF_OK);
    for (size_t i = 0; i < count; i++) {
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
        struct jf_line line = {.baudrate = 9600};
        jf_line_set_flow(&line, cases[i].flow);
        assert_int_equal(value_of(&line, JF_RFC2217_SET_CONTROL), cases[i].value);
    }
}

// What comes in is asked for by itself only where it differs.
static void asks_for_each_direction(void **state) {
    static const struct {
        struct jf_line line;
        uint32_t values[2]; // 0: no such request
    } cases[] = {
        {{.cts = true}, {3, 14}},
        {{.rts = JF_SIGNAL_FLOW_CONTROL}, {1, 16}},
        {{.rts = JF_SIGNAL_FLOW_CONTROL, .cts = true}, {3, 0}},
        {{.dsr = true}, {19, 14}},
        {{.dtr = JF_SIGNAL_FLOW_CONTROL}, {1, 18}},
        {{.xon_xoff = JF_XON_XOFF_OUT}, {2, 14}},
        {{.xon_xoff = JF_XON_XOFF_IN}, {1, 15}},
        {{.xon_xoff = JF_XON_XOFF_IN, .cts = true}, {3, 15}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jf_rfc2217_request requests[JF_RFC2217_LINE_REQUESTS] = {0};
        size_t count = 0;
        assert_int_equal(jf_rfc2217_line(&cases[i].line, requests, &count, NULL), JF_OK);
        assert_int_equal(requests[4].value, cases[i].values[0]);
        assert_int_equal(requests[5].value, cases[i].values[1]);
        assert_int_equal(count, cases[i].values[1] ? 6 : 5);
    }
}

static void refuses_two_kinds_in_one_direction(void **state) {
    static const struct jf_line lines[] = {
        {.cts = true, .dsr = true},
        {.cts = true, .xon_xoff = JF_XON_XOFF_INOUT},
        {.rts = JF_SIGNAL_FLOW_CONTROL, .dtr = JF_SIGNAL_FLOW_CONTROL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct jf_rfc2217_request requests[JF_RFC2217_LINE_REQUESTS];
        size_t count = 0;
        assert_int_equal(jf_rfc2217_line(&lines[i], requests, &count, NULL), JF_UNSUPPORTED);
    }
}

static void reads_the_state_of_an_output(void **state) {
    struct jf_modem_state modem = {0};
    (void)state;
    assert_true(jf_rfc2217_output(JF_RFC2217_DTR_STATE, 8, JF_MODEM_DTR, &modem));
    assert_true(jf_rfc2217_output(JF_RFC2217_RTS_STATE, 12, JF_MODEM_RTS, &modem));
    assert_int_equal(modem.known, JF_MODEM_DTR | JF_MODEM_RTS);
    assert_int_equal(modem.raised, JF_MODEM_DTR);
    assert_false(jf_rfc2217_output(JF_RFC2217_DTR_STATE, 7, JF_MODEM_DTR, &modem));
    assert_false(jf_rfc2217_output(JF_RFC2217_RTS_STATE, 9, JF_MODEM_RTS, &modem));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_each_parity),
        cmocka_unit_test(asks_for_each_flow_control),
        cmocka_unit_test(asks_for_each_direction),
        cmocka_unit_test(refuses_two_kinds_in_one_direction),
        cmocka_unit_test(reads_the_state_of_an_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
