// SPDX-License-Identifier: Apache-2.0
//
// A terminal that belongs to somebody else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// (cmocka wants those before it)
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console/tty.h"
#include "sys/account.h"

#define NOBODY 65534

static void test_denied(void **state) {
    struct jf_line line = {.baudrate = 115200, .bytesize = 8, .stopbits = 1};
    struct jf_stream *stream = NULL;
    struct jf_error err;
    char group[JF_GROUP_SIZE];
    char words[128];
    struct stat info;
    (void)state;
    int pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(pty >= 0 && grantpt(pty) == 0 && unlockpt(pty) == 0);
    const char *path = ptsname(pty);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(stat(path, &info), 0);
    jf_group_name(info.st_gid, group);
    // Root may open everything.
    uid_t user = geteuid();
    if (user == 0)
        assert_int_equal(seteuid(NOBODY), 0);
    enum jf_code code = jf_tty_open(path, &line, &stream, &err);
    assert_int_equal(seteuid(user), 0);
    close(pty);
    assert_int_equal(code, JF_IO);
    assert_int_equal(err.sys_errno, EACCES);
    snprintf(words, sizeof words, " and group %s, mode 0000: Permission denied", group);
    assert_non_null(strstr(err.message, words));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_denied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
