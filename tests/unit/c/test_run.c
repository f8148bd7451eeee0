// SPDX-License-Identifier: Apache-2.0
//
// Running programs from a process whose own standard descriptors are closed, so
// that pipes could come to lie on 0 to 2, and process numbers that come and go.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/pid.h"
#include "sys/run.h"

static char *const cat[] = {"cat", NULL};

// Exit status 0 when cat gives back its input.
static _Noreturn void run_cat(unsigned closed) {
    for (int fd = 0; fd < 3; fd++) {
        if (closed & 1U << fd)
            close(fd);
    }
    struct jf_run run = {
        .spawn = {.argv = cat}, .input = "text", .input_len = 4, .output_limit = 100};
    struct jf_run_result result = {.exit = {-1, -1}};
    struct jf_error err;
    bool good = jf_run(&run, jf_deadline_in(20), NULL, &result, &err) == JF_OK &&
                result.exit.status == 0 && result.output.len == 4 &&
                memcmp(result.output.data, "text", 4) == 0 && result.errors.len == 0;
    jf_run_result_free(&result);
    _exit(good ? 0 : 1);
}

static void test_closed_stdio(void **state) {
    (void)state;
    for (unsigned closed = 0; closed < 8; closed++) {
        pid_t pid = fork();
        if (pid == 0)
            run_cat(closed);
        int status = -1;
        assert_int_equal(pid, waitpid(pid, &status, 0));
        assert_int_equal(0, status);
    }
}

// Asks for processes while they end: each answer is right or "none".
static void test_vanishing(void **state) {
    (void)state;
    char *const quick[] = {"true", NULL};
    for (int i = 0; i < 100; i++) {
        struct jf_process process = JF_PROCESS_CLOSED;
        struct jf_spawn spawn = {.argv = quick, .fds = {-1, -1, -1}};
        struct jf_error err;
        struct jf_exit ended;
        uint64_t ticks;
        assert_int_equal(JF_OK, jf_process_start(&spawn, &process, &err));
        while (jf_pid_start(process.pid, &ticks))
            assert_true(ticks > 0);
        assert_int_equal(JF_OK, jf_process_wait(&process, jf_deadline_in(20), NULL, &ended, &err));
        assert_int_equal(0, ended.status);
        assert_int_equal(JF_OK, jf_pid_wait_exit(process.pid, jf_deadline_in(20), NULL, &err));
        jf_process_close(&process);
    }
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_stdio),
        cmocka_unit_test(test_vanishing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
