// SPDX-License-Identifier: Apache-2.0
//
// Content that is produced while it is served, against real clients.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/queue.h"
#include "base/wait.h"
#include "serve/http.h"

#define QUEUE_BYTES 65536
#define PIECE_BYTES 4096
#define PATIENCE_S 30.0
#define TEXT_SIZE 512

// Writes `bytes` bytes with a pause before each `pause_every`, then ends.
struct producer {
    struct jf_queue *queue;
    pthread_t thread;
    int64_t bytes;
    int64_t pause_every; // 0: never
    const struct jf_error *failure;
    bool stalls;          // instead of ending, until told to go on
    struct jf_event go;   // the end of a stall
    enum jf_code outcome; // of its last write
};

struct fixture {
    struct jf_http *http;
    char folder[64];
    struct producer producer;
};

static unsigned char byte_at(int64_t position) {
    return (unsigned char)((uint64_t)position * 2654435761U >> 13);
}

static void *produce(void *context) {
    struct producer *producer = context;
    unsigned char piece[PIECE_BYTES];
    int64_t done = 0;
    while (done < producer->bytes && producer->outcome == JF_OK) {
        size_t len = 0;
        while (len < sizeof piece && done + (int64_t)len < producer->bytes) {
            piece[len] = byte_at(done + (int64_t)len);
            len++;
        }
        if (producer->pause_every && done % producer->pause_every < PIECE_BYTES)
            usleep(1000); // long enough for the reader to find the queue empty
        producer->outcome = jf_queue_write(producer->queue, piece, len);
        done += (int64_t)len;
    }
    if (producer->stalls)
        jf_event_wait(&producer->go, jf_deadline_in(PATIENCE_S), NULL, NULL);
    jf_queue_end(producer->queue, producer->failure);
    return NULL;
}

static int set_up(void **state) {
    static struct fixture fixture;
    struct jf_http_options options = {
        .host = "127.0.0.1", .idle_timeout_s = 20, .connection_limit = 64};
    struct jf_error err;
    fixture = (struct fixture){.folder = "/tmp/jflash-test-XXXXXX"};
    assert_non_null(mkdtemp(fixture.folder));
    assert_int_equal(jf_http_start(&options, &fixture.http, &err), JF_OK);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    char command[TEXT_SIZE];
    jf_http_stop(fixture->http);
    snprintf(command, sizeof command, "rm -rf %s", fixture->folder);
    return system(command);
}

// Registers "it" and starts its producer.
static void start(struct fixture *fixture, struct producer producer, int64_t length) {
    struct jf_error err;
    fixture->producer = producer;
    fixture->producer.queue = jf_queue_new(QUEUE_BYTES);
    assert_non_null(fixture->producer.queue);
    assert_int_equal(jf_event_open(&fixture->producer.go, &err), JF_OK);
    assert_int_equal(
        jf_http_add_stream(fixture->http, "it", fixture->producer.queue, length, NULL, &err),
        JF_OK);
    pthread_create(&fixture->producer.thread, NULL, produce, &fixture->producer);
}

static void finish(struct fixture *fixture) {
    jf_event_raise(&fixture->producer.go);
    jf_http_remove(fixture->http, "it");
    pthread_join(fixture->producer.thread, NULL);
    jf_queue_free(fixture->producer.queue);
    jf_event_close(&fixture->producer.go);
}

// Starts "timeout 30 COMMAND URL" in the shell, in the test's folder; `command`
// may end in shell text behind a "%s" for the URL.
static FILE *start_client(const struct fixture *fixture, const char *command) {
    char url[TEXT_SIZE / 2];
    char line[2 * TEXT_SIZE];
    int used = snprintf(line, sizeof line, "cd %s && exec timeout 30 ", fixture->folder);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/%s/it", jf_http_port(fixture->http),
             jf_http_token(fixture->http));
    const char *place = strstr(command, "URL");
    snprintf(line + used, sizeof line - (size_t)used, "%.*s%s%s 2>&1", (int)(place - command),
             command, url, place + 3);
    return popen(line, "r");
}

// Its exit status; its output goes to `text` (TEXT_SIZE), if any.
static int end_client(FILE *client, char *text) {
    char rest[TEXT_SIZE];
    size_t len = 0;
    size_t count;
    while ((count = fread(rest, 1, sizeof rest, client)) > 0) {
        size_t room = text ? TEXT_SIZE - 1 - len : 0;
        size_t kept = count < room ? count : room;
        if (kept)
            memcpy(text + len, rest, kept);
        len += kept;
    }
    if (text)
        text[len] = '\0';
    int status = pclose(client);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_client(const struct fixture *fixture, const char *command) {
    return end_client(start_client(fixture, command), NULL);
}

static void assert_output(const struct fixture *fixture, int64_t bytes) {
    char path[TEXT_SIZE];
    unsigned char piece[PIECE_BYTES];
    int64_t position = 0;
    size_t count;
    snprintf(path, sizeof path, "%s/out", fixture->folder);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while ((count = fread(piece, 1, sizeof piece, file)) > 0) {
        for (size_t i = 0; i < count; i++)
            assert_int_equal(piece[i], byte_at(position + (int64_t)i));
        position += (int64_t)count;
    }
    fclose(file);
    unlink(path);
    assert_int_equal(position, bytes);
}

static struct jf_http_transfer wait_ended(struct fixture *fixture) {
    struct jf_http_transfer transfer;
    struct jf_error err;
    assert_int_equal(
        jf_http_wait(fixture->http, "it", jf_deadline_in(PATIENCE_S), NULL, &transfer, &err),
        JF_OK);
    return transfer;
}

static struct jf_http_transfer wait_for_bytes(struct fixture *fixture, int64_t bytes) {
    struct jf_http_transfer transfer = {0};
    jf_deadline deadline = jf_deadline_in(PATIENCE_S);
    while (!jf_http_progress(fixture->http, "it", &transfer) || transfer.bytes < bytes) {
        assert_true(jf_deadline_left_ns(deadline) > 0);
        usleep(1000);
    }
    return transfer;
}

static const char *const clients[] = {
    "curl -sS -o out URL",
    "curl -sS -0 -o out URL",
    "wget -q -t 1 -O out URL",
    "busybox wget -q -O out URL",
};
#define CLIENTS (sizeof clients / sizeof *clients)

static void arrives_whole(void **state) {
    struct fixture *fixture = *state;
    static const struct producer producers[] = {
        {.bytes = 0},
        {.bytes = 1},
        {.bytes = 3000000},
        {.bytes = 300000, .pause_every = PIECE_BYTES},
    };
    for (size_t i = 0; i < sizeof producers / sizeof *producers; i++) {
        for (size_t j = 0; j < 2 * CLIENTS; j++) {
            int64_t length = j < CLIENTS ? JF_HTTP_UNKNOWN : producers[i].bytes;
            start(fixture, producers[i], length);
            print_message("%" PRId64 " bytes, %s\n", producers[i].bytes, clients[j % CLIENTS]);
            assert_int_equal(run_client(fixture, clients[j % CLIENTS]), 0);
            assert_output(fixture, producers[i].bytes);
            struct jf_http_transfer transfer = wait_ended(fixture);
            assert_int_equal(transfer.state, JF_HTTP_DONE);
            assert_int_equal(transfer.status, 200);
            assert_int_equal(transfer.bytes, producers[i].bytes);
            finish(fixture);
        }
    }
}

// What a producer may do wrong, and what its length was said to be.
struct failing {
    struct producer producer;
    int64_t length;
    const char *error;
};

static void failure_is_seen_by_every_client(void **state) {
    struct fixture *fixture = *state;
    static const struct jf_error damaged = {.code = JF_CHECKSUM, .message = "a damaged source"};
    static const struct failing cases[] = {
        {{.bytes = 0, .failure = &damaged}, JF_HTTP_UNKNOWN, "a damaged source"},
        {{.bytes = 10, .failure = &damaged}, JF_HTTP_UNKNOWN, "a damaged source"},
        {{.bytes = 500000, .failure = &damaged}, JF_HTTP_UNKNOWN, "a damaged source"},
        {{.bytes = 500000, .failure = &damaged}, 500000, "a damaged source"},
        {{.bytes = 400000, .failure = &damaged}, 500000, "a damaged source"},
        {{.bytes = 1, .failure = &damaged}, 1, "a damaged source"},
        {{.bytes = 400000}, 500000, "the producer ended after 400000 of 500000 bytes"},
        {{.bytes = 499999}, 500000, "the producer ended after 499999 of 500000 bytes"},
        {{.bytes = 500001}, 500000, "the producer gave more than the 500000 bytes announced"},
        {{.bytes = 9999999}, 500000, "the producer gave more than the 500000 bytes announced"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t j = 0; j < CLIENTS; j++) {
            start(fixture, cases[i].producer, cases[i].length);
            print_message("%zu: %s: %s\n", i, cases[i].error, clients[j]);
            assert_int_not_equal(run_client(fixture, clients[j]), 0);
            struct jf_http_transfer transfer = wait_ended(fixture);
            assert_int_equal(transfer.state, JF_HTTP_FAILED);
            assert_string_equal(transfer.error, cases[i].error);
            finish(fixture);
        }
    }
}

static void has_one_consumer(void **state) {
    struct fixture *fixture = *state;
    char text[TEXT_SIZE];
    start(fixture, (struct producer){.bytes = 100000, .stalls = true}, JF_HTTP_UNKNOWN);
    assert_int_equal(
        end_client(start_client(fixture, "curl -sS -I -w %{http_code} -o /dev/null URL"), text), 0);
    assert_string_equal(text, "200");
    FILE *client = start_client(fixture, "curl -sS -o out URL");
    wait_for_bytes(fixture, 100000);
    assert_int_equal(
        end_client(start_client(fixture, "curl -sS -w %{http_code} -o /dev/null URL"), text), 0);
    assert_string_equal(text, "409");
    jf_event_raise(&fixture->producer.go);
    assert_int_equal(end_client(client, NULL), 0);
    assert_output(fixture, 100000);
    wait_ended(fixture);
    assert_int_equal(
        end_client(start_client(fixture, "curl -sS -w %{http_code} -o /dev/null URL"), text), 0);
    assert_string_equal(text, "410");
    assert_int_equal(wait_ended(fixture).state, JF_HTTP_DONE);
    finish(fixture);
}

static void stops_the_producer_when_the_client_vanishes(void **state) {
    struct fixture *fixture = *state;
    start(fixture, (struct producer){.bytes = INT64_MAX}, JF_HTTP_UNKNOWN);
    // head's leaving kills curl with a broken pipe.
    run_client(fixture, "curl -sS URL | head -c 100000 >/dev/null");
    struct jf_http_transfer transfer = wait_ended(fixture);
    assert_int_equal(transfer.state, JF_HTTP_FAILED);
    assert_string_equal(transfer.error, "the client hung up");
    pthread_join(fixture->producer.thread, NULL);
    assert_int_equal(fixture->producer.outcome, JF_CLOSED);
    pthread_create(&fixture->producer.thread, NULL, produce, &fixture->producer);
    finish(fixture);
}

static void is_cut_when_it_is_removed(void **state) {
    struct fixture *fixture = *state;
    for (int stalls = 0; stalls < 2; stalls++) {
        start(fixture, (struct producer){.bytes = stalls ? 10000 : INT64_MAX, .stalls = stalls},
              JF_HTTP_UNKNOWN);
        FILE *client = start_client(fixture, "curl -sS -o /dev/null URL");
        wait_for_bytes(fixture, 10000);
        assert_true(jf_http_remove(fixture->http, "it"));
        assert_int_not_equal(end_client(client, NULL), 0);
        assert_string_equal(wait_ended(fixture).error, "the content was taken away");
        finish(fixture);
    }
}

static void may_end_before_it_was_fetched(void **state) {
    struct fixture *fixture = *state;
    start(fixture, (struct producer){.bytes = 10}, JF_HTTP_UNKNOWN);
    pthread_join(fixture->producer.thread, NULL);
    assert_int_equal(run_client(fixture, clients[0]), 0);
    assert_output(fixture, 10);
    pthread_create(&fixture->producer.thread, NULL, produce, &fixture->producer);
    finish(fixture);
}

static void may_never_be_fetched(void **state) {
    struct fixture *fixture = *state;
    start(fixture, (struct producer){.bytes = INT64_MAX}, JF_HTTP_UNKNOWN);
    assert_true(jf_http_remove(fixture->http, "it"));
    pthread_join(fixture->producer.thread, NULL);
    assert_int_equal(fixture->producer.outcome, JF_CLOSED);
    pthread_create(&fixture->producer.thread, NULL, produce, &fixture->producer);
    finish(fixture);
}

// The library aborts the process when it is stopped with a suspended connection.
static void server_may_stop_at_any_moment(void **state) {
    struct fixture *fixture = *state;
    for (int round = 0; round < 12; round++) {
        struct producer kinds[] = {
            {.bytes = 1000, .stalls = true},
            {.bytes = INT64_MAX},
            {.bytes = INT64_MAX, .pause_every = PIECE_BYTES},
        };
        struct producer kind = kinds[round % 3];
        start(fixture, kind, JF_HTTP_UNKNOWN);
        FILE *client = start_client(
            fixture, round % 2 ? "curl -sS --max-time 1 --limit-rate 10k -o /dev/null URL"
                               : "curl -sS -o /dev/null URL");
        wait_for_bytes(fixture, 1000);
        usleep((useconds_t)(round * 300));
        jf_http_stop(fixture->http);
        fixture->http = NULL;
        assert_int_not_equal(end_client(client, NULL), 0);
        jf_event_raise(&fixture->producer.go);
        pthread_join(fixture->producer.thread, NULL);
        jf_queue_free(fixture->producer.queue);
        jf_event_close(&fixture->producer.go);
        tear_down(state);
        set_up(state);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(arrives_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failure_is_seen_by_every_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(has_one_consumer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_the_producer_when_the_client_vanishes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(is_cut_when_it_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(may_end_before_it_was_fetched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(may_never_be_fetched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(server_may_stop_at_any_moment, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
