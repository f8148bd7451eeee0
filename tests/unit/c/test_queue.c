// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/queue.h"

#define TOTAL 100000

struct writer {
    struct jf_queue *queue;
    const struct jf_error *failure; // how it ends; NULL: properly
    enum jf_code code;
};

static unsigned char byte_at(size_t offset) {
    return (unsigned char)(offset * 31 + (offset >> 8));
}

static void *write_all(void *argument) {
    struct writer *writer = argument;
    unsigned char piece[997];
    for (size_t at = 0; at < TOTAL && writer->code == JF_OK;) {
        size_t len = TOTAL - at < sizeof piece ? TOTAL - at : sizeof piece;
        for (size_t i = 0; i < len; i++)
            piece[i] = byte_at(at + i);
        writer->code = jf_queue_write(writer->queue, piece, len);
        at += len;
    }
    if (writer->code == JF_OK)
        jf_queue_end(writer->queue, writer->failure);
    return NULL;
}

static void start(pthread_t *thread, struct writer *writer) {
    assert_int_equal(pthread_create(thread, NULL, write_all, writer), 0);
}

static size_t read_all(struct jf_queue *queue, enum jf_code *ret_end, struct jf_error *err) {
    unsigned char piece[313];
    size_t at = 0;
    for (;;) {
        size_t len;
        *ret_end = jf_queue_read(queue, piece, sizeof piece, true, &len, err);
        if (*ret_end != JF_OK)
            return at;
        for (size_t i = 0; i < len; i++)
            assert_int_equal(piece[i], byte_at(at + i));
        at += len;
    }
}

static void test_order_and_end(void **state) {
    (void)state;
    struct writer writer = {.queue = jf_queue_new(1024)};
    pthread_t thread;
    start(&thread, &writer);
    enum jf_code end;
    assert_int_equal(read_all(writer.queue, &end, NULL), TOTAL);
    assert_int_equal(end, JF_CLOSED);
    pthread_join(thread, NULL);
    jf_queue_free(writer.queue);
}

static void test_failure_arrives_behind_the_last_byte(void **state) {
    (void)state;
    struct jf_error failure;
    jf_fail(&failure, JF_CHECKSUM, "wrong");
    struct writer writer = {.queue = jf_queue_new(64), .failure = &failure};
    pthread_t thread;
    start(&thread, &writer);
    enum jf_code end;
    struct jf_error err;
    assert_int_equal(read_all(writer.queue, &end, &err), TOTAL);
    assert_int_equal(end, JF_CHECKSUM);
    assert_string_equal(err.message, "wrong");
    pthread_join(thread, NULL);
    jf_queue_free(writer.queue);
}

static void test_a_reader_that_goes_wakes_the_writer(void **state) {
    (void)state;
    struct writer writer = {.queue = jf_queue_new(16)};
    pthread_t thread;
    start(&thread, &writer);
    unsigned char byte;
    size_t len;
    assert_int_equal(jf_queue_read(writer.queue, &byte, 1, true, &len, NULL), JF_OK);
    jf_queue_abandon(writer.queue);
    pthread_join(thread, NULL);
    assert_int_equal(writer.code, JF_CLOSED);
    jf_queue_free(writer.queue);
}

static void count_call(void *context) {
    atomic_fetch_add((atomic_int *)context, 1);
}

static void test_wake_is_called_only_when_starved(void **state) {
    (void)state;
    struct jf_queue *queue = jf_queue_new(16);
    atomic_int calls = 0;
    jf_queue_on_ready(queue, count_call, &calls);
    jf_queue_write(queue, "a", 1);
    assert_int_equal(calls, 0);
    char byte;
    size_t len;
    assert_int_equal(jf_queue_read(queue, &byte, 1, false, &len, NULL), JF_OK);
    assert_int_equal(len, 1);
    assert_int_equal(jf_queue_read(queue, &byte, 1, false, &len, NULL), JF_OK);
    assert_int_equal(len, 0);
    jf_queue_write(queue, "b", 1);
    assert_int_equal(calls, 1);
    jf_queue_write(queue, "c", 1);
    assert_int_equal(calls, 1);
    jf_queue_free(queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_end),
        cmocka_unit_test(test_failure_arrives_behind_the_last_byte),
        cmocka_unit_test(test_a_reader_that_goes_wakes_the_writer),
        cmocka_unit_test(test_wake_is_called_only_when_starved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
