// SPDX-License-Identifier: Apache-2.0
//
// Lock files of serial ports: their form, who may take them over, and that two
// processes never hold one.
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
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sys/files.h"
#include "sys/uucp_lock.h"

#define DEVICE "/dev/bus/ttyX3"
#define RACERS 4
#define ROUNDS 200

static char dir[64];
static char path[128];

static int make_dir(void **state) {
    (void)state;
    strcpy(dir, "/tmp/jflash-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/LCK..ttyX3", dir);
    return 0;
}

static int remove_dir(void **state) {
    (void)state;
    return jf_file_remove_tree(dir, NULL) == JF_OK ? 0 : -1;
}

static void write_lock(const void *content, size_t len) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, len, file), len);
    fclose(file);
}

static void write_pid(pid_t pid) {
    char text[32];
    write_lock(text, (size_t)snprintf(text, sizeof text, "%10d\n", (int)pid));
}

static pid_t ended_process(void) {
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void assert_takes(void) {
    struct jf_uucp_lock lock;
    struct jf_error err;
    char content[32] = "";
    char wanted[32];
    assert_int_equal(jf_uucp_lock_take(dir, DEVICE, &lock, &err), JF_OK);
    assert_string_equal(lock.path, path);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fread(content, 1, sizeof content - 1, file), 11);
    fclose(file);
    snprintf(wanted, sizeof wanted, "%10d\n", (int)getpid());
    assert_string_equal(content, wanted);
    jf_uucp_lock_release(&lock);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rmdir(dir), 0); // nothing else lies there
    assert_int_equal(mkdir(dir, 0700), 0);
}

static void assert_refuses(const char *words) {
    struct jf_uucp_lock lock;
    struct jf_error err;
    assert_int_equal(jf_uucp_lock_take(dir, DEVICE, &lock, &err), JF_IO);
    assert_int_equal(err.sys_errno, EBUSY);
    assert_non_null(strstr(err.message, words));
    assert_string_equal(lock.path, "");
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
}

static void test_form(void **state) {
    (void)state;
    assert_takes();
}

static const struct timespec long_ago[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

static void set_time(const struct timespec times[2]) {
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_stale(void **state) {
    (void)state;
    int binary = ended_process();
    long long_binary;
    write_pid(binary);
    assert_takes();
    write_lock(&binary, sizeof binary);
    assert_takes();
    long_binary = binary;
    write_lock(&long_binary, sizeof long_binary);
    assert_takes();
    write_lock("nonsense\n", 9);
    set_time(long_ago);
    assert_takes();
}

// Some programs make the file and then write into it.
static void test_empty(void **state) {
    (void)state;
    write_lock("", 0);
    set_time(long_ago);
    assert_takes();
    int64_t start = jf_now_ns();
    write_lock("", 0);
    assert_takes();
    assert_true(jf_now_ns() - start >= 80 * 1000000);
}

// Another program sits on the file itself.
static void test_held(void **state) {
    struct jf_uucp_lock lock;
    struct jf_error err;
    (void)state;
    write_pid(ended_process());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(jf_uucp_lock_take(dir, DEVICE, &lock, &err), JF_IO);
    assert_non_null(strstr(err.message, "other programs make and remove it"));
    close(fd);
    assert_takes();
}

// The number of a process that began after the file was written.
static void test_reused_number(void **state) {
    (void)state;
    write_pid(getppid());
    set_time(long_ago);
    assert_takes();
}

static void test_taken(void **state) {
    char words[64];
    int binary = getppid();
    long long_binary = binary;
    (void)state;
    snprintf(words, sizeof words, "(pid %d, user ", binary);
    write_pid(binary);
    assert_refuses(words);
    write_lock(&binary, sizeof binary);
    assert_refuses(words);
    write_lock(&long_binary, sizeof long_binary);
    assert_refuses(words);
    write_pid(getpid());
    assert_refuses("taken by this very process");
}

static void test_no_directory(void **state) {
    struct jf_uucp_lock lock;
    struct jf_error err;
    (void)state;
    assert_int_equal(jf_uucp_lock_take("/nowhere", DEVICE, &lock, &err), JF_OK);
    assert_string_equal(lock.path, "");
    jf_uucp_lock_release(&lock);
}

static void test_not_ours(void **state) {
    struct jf_uucp_lock lock;
    (void)state;
    assert_int_equal(jf_uucp_lock_take(dir, DEVICE, &lock, NULL), JF_OK);
    assert_int_equal(unlink(path), 0);
    write_pid(getppid());
    jf_uucp_lock_release(&lock);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
}

// Takes and gives back the lock, each time leaving a stale one for the others; a second
// file tells whether two ever had it together.
static int race(void) {
    char inside[160];
    snprintf(inside, sizeof inside, "%s/inside", dir);
    for (int i = 0; i < ROUNDS;) {
        struct jf_uucp_lock lock;
        struct jf_error err;
        if (jf_uucp_lock_take(dir, DEVICE, &lock, &err) != JF_OK) {
            if (err.sys_errno != EBUSY)
                return 2;
            continue;
        }
        int fd = open(inside, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            return 1;
        close(fd);
        unlink(inside);
        FILE *file = fopen(lock.path, "r+e");
        if (file && i % 2) {
            fprintf(file, "%10d\n", 0x3ffffff); // nobody's
            fclose(file);
        } else {
            if (file)
                fclose(file);
            jf_uucp_lock_release(&lock);
        }
        i++;
    }
    return 0;
}

static void test_race(void **state) {
    pid_t racers[RACERS];
    (void)state;
    for (int i = 0; i < RACERS; i++) {
        racers[i] = fork();
        if (racers[i] == 0)
            _exit(race());
    }
    for (int i = 0; i < RACERS; i++) {
        int status = -1;
        waitpid(racers[i], &status, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),          cmocka_unit_test(test_stale),
        cmocka_unit_test(test_empty),         cmocka_unit_test(test_held),
        cmocka_unit_test(test_reused_number), cmocka_unit_test(test_taken),
        cmocka_unit_test(test_no_directory),  cmocka_unit_test(test_not_ours),
        cmocka_unit_test(test_race),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
