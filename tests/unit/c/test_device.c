// SPDX-License-Identifier: Apache-2.0
//
// Terminals by name, in a made-up /sys with two adapters: a single one, and one with
// two ports.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// (cmocka wants those before it)
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/device.h"
#include "sys/files.h"

static char root[64];
static char tty_root[128];

static void run(const char *command) {
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
}

static int make_roots(void **state) {
    char command[2048];
    (void)state;
    strcpy(root, "/tmp/jflash-test-XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(tty_root, sizeof tty_root, "%s/tty", root);
    snprintf(command, sizeof command,
             "cd %s && mkdir -p tty/ttyUSB0 tty/ttyUSB1 tty/ttyUSB2 tty/ttyS0 platform/serial "
             "by-id usb1/1-2/1-2:1.0/ttyUSB0 usb1/1-3/1-3.1/1-3.1:1.0/ttyUSB1 "
             "usb1/1-3/1-3.1/1-3.1:1.1/ttyUSB2 && echo A100 > usb1/1-2/serial && "
             "echo 0403 > usb1/1-2/idVendor && echo 6001 > usb1/1-2/idProduct && "
             "echo 10c4 > usb1/1-3/1-3.1/idVendor && echo ea70 > usb1/1-3/1-3.1/idProduct && "
             "echo B200 > usb1/1-3/1-3.1/serial && "
             "ln -s ../../usb1/1-2/1-2:1.0/ttyUSB0 tty/ttyUSB0/device && "
             "ln -s ../../usb1/1-3/1-3.1/1-3.1:1.0/ttyUSB1 tty/ttyUSB1/device && "
             "ln -s ../../usb1/1-3/1-3.1/1-3.1:1.1/ttyUSB2 tty/ttyUSB2/device && "
             "ln -s ../../platform/serial tty/ttyS0/device && "
             "touch by-id/usb-FTDI-if00 by-id/usb-FTDI-if01 by-id/usb-Other",
             root);
    run(command);
    return 0;
}

static int remove_roots(void **state) {
    (void)state;
    return jf_file_remove_tree(root, NULL) == JF_OK ? 0 : -1;
}

static void assert_finds(const char *name, const char *wanted) {
    struct jf_device_roots roots = {"/dev", tty_root};
    struct jf_error err;
    char *path = NULL;
    assert_int_equal(jf_device_find(name, &roots, &path, &err), JF_OK);
    assert_string_equal(path, wanted);
    free(path);
}

static void assert_fails(const char *name, const char *message) {
    struct jf_device_roots roots = {"/dev", tty_root};
    struct jf_error err;
    char *path = NULL;
    assert_int_equal(jf_device_find(name, &roots, &path, &err), JF_IO);
    assert_null(path);
    assert_string_equal(err.message, message);
}

static void finds_by_serial_number(void **state) {
    (void)state;
    assert_finds("usb:A100", "/dev/ttyUSB0");
    assert_finds("usb:A100:0", "/dev/ttyUSB0");
    assert_finds("usb:B200:1", "/dev/ttyUSB2");
}

static void finds_by_place(void **state) {
    (void)state;
    assert_finds("usb-path:1-2", "/dev/ttyUSB0");
    assert_finds("usb-path:1-2:1.0", "/dev/ttyUSB0");
    assert_finds("usb-path:1-3.1:1.1", "/dev/ttyUSB2");
}

static void finds_by_vendor_and_product(void **state) {
    (void)state;
    assert_finds("usb-id:0403:6001", "/dev/ttyUSB0");
    assert_finds("usb-id:10C4:ea70:1", "/dev/ttyUSB2");
}

static void leaves_paths_alone(void **state) {
    (void)state;
    assert_finds("/dev/ttyS7", "/dev/ttyS7");
}

static void names_the_candidates(void **state) {
    (void)state;
    assert_fails("usb:B200",
                 "2 terminals fit: ttyUSB1 (usb:B200, usb-path:1-3.1:1.0, usb-id:10c4:ea70), "
                 "ttyUSB2 (usb:B200, usb-path:1-3.1:1.1, usb-id:10c4:ea70)");
    // The beginning of a serial number or of a port's number is not the whole.
    const char *all = "no terminal fits; those behind USB: "
                      "ttyUSB0 (usb:A100, usb-path:1-2:1.0, usb-id:0403:6001), "
                      "ttyUSB1 (usb:B200, usb-path:1-3.1:1.0, usb-id:10c4:ea70), "
                      "ttyUSB2 (usb:B200, usb-path:1-3.1:1.1, usb-id:10c4:ea70)";
    assert_fails("usb:A10", all);
    assert_fails("usb:A1000", all);
    assert_fails("usb-path:1-3", all);
    assert_fails("usb:B200:2", all);
    assert_fails("usb:a100", all);
    assert_fails("usb-id:0403:600", all);
    assert_fails("usb-id:0403:60010", all);
}

static void finds_by_pattern(void **state) {
    char pattern[128];
    char wanted[512];
    (void)state;
    snprintf(pattern, sizeof pattern, "%s/by-id/usb-*-if01", root);
    snprintf(wanted, sizeof wanted, "%s/by-id/usb-FTDI-if01", root);
    assert_finds(pattern, wanted);
    snprintf(pattern, sizeof pattern, "%s/by-id/usb-FTDI-*", root);
    snprintf(wanted, sizeof wanted,
             "2 terminals fit: %s/by-id/usb-FTDI-if00, %s/by-id/usb-FTDI-if01", root, root);
    assert_fails(pattern, wanted);
    snprintf(pattern, sizeof pattern, "%s/by-id/usb-Prolific*", root);
    assert_fails(pattern,
                 "no terminal fits; in its folder: usb-FTDI-if00, usb-FTDI-if01, usb-Other");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_serial_number), cmocka_unit_test(finds_by_place),
        cmocka_unit_test(leaves_paths_alone),     cmocka_unit_test(names_the_candidates),
        cmocka_unit_test(finds_by_pattern),       cmocka_unit_test(finds_by_vendor_and_product),
    };
    return cmocka_run_group_tests(tests, make_roots, remove_roots);
}
