// SPDX-License-Identifier: Apache-2.0
//
// SNMP sessions of several threads, against a real snmpd: what net-snmp keeps for the
// whole process must not get from one board's job into another's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// (cmocka wants those before it)
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"
#include "power/snmp.h"
#include "sys/files.h"
#include "sys/process.h"

#define SYS_UPTIME "1.3.6.1.2.1.1.3.0"
#define THREADS 4
#define ROUNDS 15

static const char config[] = "agentaddress udp:%s:%u\n"
                             "rouser ann auth\n"
                             "createUser ann SHA-256 \"right key of ann\"\n";

static char dir[64];
static char address[INET_ADDRSTRLEN];
static struct jf_process agent = {.pidfd = -1};
static struct jf_shared shared = JF_SHARED_INIT;

// A UDP port that is free, and which `ret_fd` has when it is not NULL.
static uint16_t free_port(int *ret_fd) {
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, address, &name.sin_addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    if (ret_fd)
        *ret_fd = fd;
    else
        close(fd);
    return ntohs(name.sin_port);
}

static struct jf_snmp_agent ann(uint16_t port, const char *key) {
    return (struct jf_snmp_agent){.host = address,
                                  .port = port,
                                  .version = JF_SNMP_3,
                                  .user = "ann",
                                  .auth_protocol = "SHA-256",
                                  .auth_key = key,
                                  .timeout_s = 10,
                                  .retries = 9};
}

static uint16_t port;

static enum jf_code ask(const char *key, struct jf_error *err) {
    struct jf_snmp_agent login = ann(port, key);
    struct jf_snmp *snmp;
    struct jf_snmp_value value;
    enum jf_code code = jf_snmp_open(&login, &shared, NULL, &snmp, err);
    if (code != JF_OK)
        return code;
    code = jf_snmp_get(snmp, SYS_UPTIME, NULL, &value, err);
    jf_snmp_close(snmp);
    return code;
}

static void write_config(void) {
    char path[128];
    char text[256];
    struct jf_error err;
    snprintf(path, sizeof path, "%s/snmpd.conf", dir);
    int len = snprintf(text, sizeof text, config, address, (unsigned)port);
    assert_int_equal(jf_file_write(path, text, (size_t)len, 0600, &err), JF_OK);
}

static void start_agent(void) {
    struct jf_error err;
    char settings[192];
    char memory[128]; // its engine's identity, and how often it was started
    snprintf(settings, sizeof settings, "SNMPCONFPATH=%s:%s/memory", dir, dir);
    snprintf(memory, sizeof memory, "SNMP_PERSISTENT_DIR=%s/memory", dir);
    char *argv[] = {"snmpd", "-f", "-Ln", "-I", "-smux", NULL};
    char *environment[] = {settings, memory, "MIBS=", NULL};
    struct jf_spawn spawn = {.argv = argv, .env = environment, .fds = {-1, -1, -1}};
    assert_int_equal(jf_process_start(&spawn, &agent, &err), JF_OK);
}

static void stop_agent(void) {
    jf_process_terminate(&agent);
    jf_process_close(&agent);
}

// What is sent before the agent listens is answered once it is repeated.
static void assert_answers(void) {
    struct jf_error err;
    enum jf_code code = ask("right key of ann", &err);
    if (code != JF_OK)
        print_error("%s\n", err.message);
    assert_int_equal(code, JF_OK);
}

static int set_up(void **state) {
    (void)state;
    struct jf_error err;
    strcpy(dir, "/tmp/jflash-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(jf_random_loopback(address, &err), JF_OK);
    port = free_port(NULL);
    write_config();
    start_agent();
    assert_answers();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    stop_agent();
    return jf_file_remove_tree(dir, NULL) == JF_OK ? 0 : -1;
}

// It keeps its engine's identity, but what the session has learnt of its clock is wrong.
static void an_agent_that_was_started_again_is_understood(void **state) {
    (void)state;
    struct jf_error err;
    struct jf_snmp *snmp;
    struct jf_snmp_value value;
    struct jf_snmp_agent login = ann(port, "right key of ann");
    assert_int_equal(jf_snmp_open(&login, &shared, NULL, &snmp, &err), JF_OK);
    assert_int_equal(jf_snmp_get(snmp, SYS_UPTIME, NULL, &value, &err), JF_OK);
    stop_agent();
    start_agent();
    enum jf_code code = jf_snmp_get(snmp, SYS_UPTIME, NULL, &value, &err);
    if (code != JF_OK)
        print_error("%s\n", err.message);
    assert_int_equal(code, JF_OK);
    assert_int_equal(value.type, JF_SNMP_INTEGER);
    jf_snmp_close(snmp);
}

struct asker {
    pthread_t thread;
    const char *key;
    const char *words; // of the failure, or NULL
    bool surprised;
    struct jf_error err; // the first surprise
};

static bool as_expected(const struct asker *asker, enum jf_code code, const struct jf_error *err) {
    return asker->words ? code != JF_OK && strstr(err->message, asker->words) : code == JF_OK;
}

static void *ask_often(void *argument) {
    struct asker *asker = argument;
    for (int i = 0; i < ROUNDS && !asker->surprised; i++) {
        struct jf_error err = {.message = "no failure"};
        asker->surprised = !as_expected(asker, ask(asker->key, &err), &err);
        asker->err = err;
    }
    return NULL;
}

static void each_thread_has_its_own_key(void **state) {
    (void)state;
    struct asker askers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){.key = i % 2 ? "wrong key of ann" : "right key of ann",
                                   .words = i % 2 ? "Authentication failure" : NULL};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_often, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(askers[i].thread, NULL);
    for (int i = 0; i < THREADS; i++) {
        if (askers[i].surprised)
            print_error("%s: %s\n", askers[i].key, askers[i].err.message);
        assert_false(askers[i].surprised);
    }
}

struct silent {
    int fd;
    struct jf_cancel *cancel;
    enum jf_code other; // what became of another session meanwhile
    int64_t cancelled;
};

static void *ask_another_and_cancel(void *argument) {
    struct silent *silent = argument;
    struct jf_error err;
    char request[512];
    recv(silent->fd, request, sizeof request, 0);
    silent->other = ask("right key of ann", &err);
    silent->cancelled = jf_now_ns();
    jf_cancel_request(silent->cancel, SIGINT);
    return NULL;
}

static void a_silent_agent_is_left_at_once_and_holds_nobody_up(void **state) {
    (void)state;
    struct silent silent = {.cancel = jf_cancel_new(), .other = JF_IO};
    struct jf_error err;
    struct jf_snmp *snmp;
    pthread_t thread;
    struct jf_snmp_agent login = ann(free_port(&silent.fd), "right key of ann");
    login.timeout_s = 60;
    assert_int_equal(pthread_create(&thread, NULL, ask_another_and_cancel, &silent), 0);
    enum jf_code code = jf_snmp_open(&login, &shared, silent.cancel, &snmp, &err);
    if (code != JF_CANCELLED)
        print_error("%s\n", err.message);
    assert_int_equal(code, JF_CANCELLED);
    int64_t now = jf_now_ns();
    pthread_join(thread, NULL);
    assert_int_equal(silent.other, JF_OK);
    assert_true(now - silent.cancelled < INT64_C(2000000000));
    jf_cancel_free(silent.cancel);
    close(silent.fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_thread_has_its_own_key),
        cmocka_unit_test(an_agent_that_was_started_again_is_understood),
        cmocka_unit_test(a_silent_agent_is_left_at_once_and_holds_nobody_up),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
