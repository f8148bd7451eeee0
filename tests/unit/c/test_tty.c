// SPDX-License-Identifier: Apache-2.0
//
// Terminals as an ordinary user has them: one of somebody else's, and one that was left
// without a word.
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
#include <sys/wait.h>
#include <unistd.h>

#include "console/tty.h"
#include "sys/account.h"

#define NOBODY 65534

static const struct jf_line line = {.baudrate = 115200, .bytesize = 8, .stopbits = 1};

// A pty that may be opened by those whom `mode` lets; returns its other end.
static int open_pty(mode_t mode, char path[64]) {
    int pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(pty >= 0 && grantpt(pty) == 0 && unlockpt(pty) == 0);
    assert_int_equal(ptsname_r(pty, path, 64), 0);
    assert_int_equal(chmod(path, mode), 0);
    return pty;
}

// Root may do everything.
static uid_t become_ordinary(void) {
    uid_t user = geteuid();
    if (user == 0)
        assert_int_equal(seteuid(NOBODY), 0);
    return user;
}

static void test_denied(void **state) {
    struct jf_stream *stream = NULL;
    struct jf_error err;
    char path[64];
    char group[JF_GROUP_SIZE];
    char words[128];
    struct stat info;
    (void)state;
    int pty = open_pty(0, path);
    assert_int_equal(stat(path, &info), 0);
    jf_group_name(info.st_gid, group);
    uid_t user = become_ordinary();
    enum jf_code code = jf_tty_open(path, &line, &stream, &err);
    assert_int_equal(seteuid(user), 0);
    close(pty);
    assert_int_equal(code, JF_IO);
    assert_int_equal(err.sys_errno, EACCES);
    snprintf(words, sizeof words, " and group %s, mode 0000: Permission denied", group);
    assert_non_null(strstr(err.message, words));
}

// As after kill -9: nobody put anything back.
static void test_left_without_a_word(void **state) {
    struct jf_stream *stream = NULL;
    struct jf_error err;
    char path[64];
    int status = -1;
    (void)state;
    int pty = open_pty(0666, path);
    uid_t user = become_ordinary();
    pid_t child = fork();
    if (child == 0)
        _exit(jf_tty_open(path, &line, &stream, &err) == JF_OK ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    enum jf_code code = jf_tty_open(path, &line, &stream, &err);
    if (code == JF_OK)
        jf_stream_close(stream);
    assert_int_equal(seteuid(user), 0);
    close(pty);
    assert_int_equal(status, 0);
    if (code != JF_OK)
        print_error("%s\n", err.message);
    assert_int_equal(code, JF_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_denied),
        cmocka_unit_test(test_left_without_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
