// SPDX-License-Identifier: Apache-2.0
//
// The receiving state machine: conversations, and the sending one as its client
// over a channel that loses, doubles and reorders, in simulated time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/tftp_receiver.h"
#include "serve/tftp_sender.h"

// A row of a table says only what matters in it.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define MS 1000000LL
#define BLKSIZE 8
#define TICK -1

struct line {
    int64_t at_ms;
    int block; // TICK: time passes
    size_t len;
    const char *expected; // letters: Store, Ack, Last, X silent
};

struct talk {
    const char *title;
    uint32_t windowsize;
    struct line lines[12]; // ends with expected == NULL
};

// clang-format off
static const struct talk talks[] = {
    {"lock-step", 1, {{1, 1, 8, "SA"}, {2, 2, 8, "SA"}, {3, 3, 7, "SAL"}}},
    {"the last block may be empty", 1, {{1, 1, 8, "SA"}, {2, 2, 0, "SAL"}}},
    {"a repeated block is acknowledged, not stored", 1,
     {{1, 1, 8, "SA"}, {6, 1, 8, "A"}, {7, 2, 1, "SAL"}, {8, 2, 1, "A"}}},
    {"a copy made by the network is not answered", 1,
     {{1, 1, 8, "SA"}, {2, 1, 8, ""}, {3, 1, 8, ""}, {4, 2, 1, "SAL"}}},
    {"a block from the future", 1, {{1, 2, 8, "A"}, {2, 1, 8, "SA"}}},
    {"windows", 3, {{1, 1, 8, "S"}, {1, 2, 8, "S"}, {1, 3, 8, "SA"}, {2, 4, 8, "S"}, {2, 5, 0, "SAL"}}},
    {"a gap is answered once", 4,
     {{1, 1, 8, "S"}, {1, 3, 8, "A"}, {1, 4, 8, ""}, {2, 2, 8, "S"}, {2, 4, 8, "A"}}},
    {"copies of what the next ACK covers", 4,
     {{1, 1, 8, "S"}, {1, 1, 8, ""}, {1, 2, 8, "S"}, {9, 2, 8, ""}, {9, 3, 8, "S"}, {9, 4, 8, "SA"}}},
    {"an ACK that was lost", 1, {{1, 1, 8, "SA"}, {6, TICK, 0, "A"}, {7, 2, 8, "SA"}}},
    {"silence", 1, {{1, 1, 8, "SA"}, {31000, TICK, 0, "X"}}},
    {"nothing is stored behind the last", 1, {{1, 1, 3, "SAL"}, {2, 2, 3, "A"}}},
};
// clang-format on

static void start(struct jf_tftp_receiver *receiver, uint32_t windowsize) {
    struct jf_tftp_timer timer;
    jf_tftp_timer_start(&timer, 0, 30000 * MS, 0);
    jf_tftp_receiver_start(receiver, BLKSIZE, windowsize, false, &timer);
    jf_tftp_receiver_sent(receiver, 0);
}

static void check(struct jf_tftp_verdict verdict, const char *expected) {
    assert_int_equal(verdict.store, strchr(expected, 'S') != NULL);
    assert_int_equal(verdict.ack, strchr(expected, 'A') != NULL);
    assert_int_equal(verdict.last, strchr(expected, 'L') != NULL);
    assert_int_equal(verdict.silent, strchr(expected, 'X') != NULL);
}

static void test_talks(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
        struct jf_tftp_receiver receiver;
        print_message("%s\n", talks[i].title);
        start(&receiver, talks[i].windowsize);
        for (const struct line *line = talks[i].lines; line->expected; line++) {
            int64_t now_ns = line->at_ms * MS;
            struct jf_tftp_verdict verdict =
                line->block == TICK
                    ? jf_tftp_receiver_tick(&receiver, now_ns)
                    : jf_tftp_receiver_data(&receiver, (uint16_t)line->block, line->len, now_ns);
            check(verdict, line->expected);
            if (verdict.ack)
                jf_tftp_receiver_sent(&receiver, now_ns);
        }
    }
}

// A channel in one direction: packets with the time at which they arrive.
#define CHANNEL 4096

struct channel {
    struct {
        int64_t at_ns;
        uint64_t block;
    } packets[CHANNEL];
    size_t count;
    int64_t line_ns; // when the latest packet arrives
    unsigned *seed;
    int loss, doubling, reorder; // per mille
};

static bool chance(struct channel *channel, int per_mille) {
    return rand_r(channel->seed) % 1000 < per_mille;
}

static void put(struct channel *channel, uint64_t block, int64_t now_ns) {
    int copies = chance(channel, channel->loss) ? 0 : chance(channel, channel->doubling) ? 2 : 1;
    for (int i = 0; i < copies && channel->count < CHANNEL; i++) {
        int64_t at_ns = now_ns + MS / 10 + rand_r(channel->seed) % 10000;
        // A line keeps the order, but for the packets that take another way.
        if (at_ns <= channel->line_ns)
            at_ns = channel->line_ns + 1000; // a gigabit or so
        if (chance(channel, channel->reorder))
            at_ns += MS / 2;
        else
            channel->line_ns = at_ns;
        channel->packets[channel->count].at_ns = at_ns;
        channel->packets[channel->count++].block = block;
    }
}

static size_t earliest(const struct channel *channel) {
    size_t best = 0;
    for (size_t i = 1; i < channel->count; i++) {
        if (channel->packets[i].at_ns < channel->packets[best].at_ns)
            best = i;
    }
    return best;
}

static int64_t next_at(const struct channel *channel) {
    return channel->count ? channel->packets[earliest(channel)].at_ns : INT64_MAX;
}

static uint64_t take(struct channel *channel) {
    size_t i = earliest(channel);
    uint64_t block = channel->packets[i].block;
    channel->packets[i] = channel->packets[--channel->count];
    return block;
}

// A client as U-Boot has it: it answers whatever it did not expect, once per block
// it is waiting for, and keeps nothing that came out of order.
struct plain_client {
    bool used;
    uint64_t got, next_ack, answered;
    int64_t due_ns; // repeats its ACK then, 5 s after the last block it took
};

static bool plain_data(struct plain_client *client, uint32_t windowsize, uint64_t block,
                       uint64_t last) {
    if (block != client->got + 1) {
        bool again = client->answered != client->got;
        client->answered = client->got;
        client->next_ack = client->got + windowsize;
        return again;
    }
    client->got = block;
    bool ack = block == last || block == client->next_ack;
    if (ack)
        client->next_ack += windowsize;
    return ack;
}

struct world {
    struct plain_client plain;
    struct jf_tftp_sender sender;
    struct jf_tftp_receiver receiver;
    struct channel forth, back;
    int64_t now_ns;
    uint64_t last, sent;
    bool done;
};

static void send_planned(struct world *world) {
    struct jf_tftp_plan plan = jf_tftp_sender_plan(&world->sender);
    for (uint64_t i = 0; i < plan.count; i++)
        put(&world->forth, plan.first + i, world->now_ns);
    world->sent += plan.count;
    jf_tftp_sender_sent(&world->sender, plan.count, world->now_ns);
}

static void step(struct world *world, enum jf_tftp_step todo) {
    assert_int_not_equal(todo, JF_TFTP_SILENT);
    world->done = todo == JF_TFTP_DONE;
    if (todo == JF_TFTP_SEND)
        send_planned(world);
}

static void deliver_data(struct world *world) {
    struct jf_tftp_receiver *receiver = &world->receiver;
    uint64_t block = take(&world->forth);
    uint64_t before = receiver->received;
    size_t len = block == world->last ? 0 : BLKSIZE;
    if (world->plain.used) {
        uint64_t got = world->plain.got;
        bool ack = plain_data(&world->plain, world->sender.windowsize, block, world->last);
        if (world->plain.got > got)
            world->plain.due_ns = world->now_ns + 5000 * MS;
        if (ack)
            put(&world->back, world->plain.got, world->now_ns);
        return;
    }
    struct jf_tftp_verdict verdict =
        jf_tftp_receiver_data(receiver, (uint16_t)block, len, world->now_ns);
    if (verdict.store)
        assert_int_equal(block, before + 1);
    if (verdict.ack) {
        put(&world->back, receiver->received, world->now_ns);
        jf_tftp_receiver_sent(receiver, world->now_ns);
    }
}

// Our receiver's own timer is left out on purpose: the sender must do it all.
static void advance(struct world *world) {
    int64_t data = next_at(&world->forth);
    int64_t ack = next_at(&world->back);
    int64_t due = world->sender.timer.due_ns;
    if (world->plain.used && world->now_ns >= world->plain.due_ns) {
        world->plain.due_ns = world->now_ns + 5000 * MS;
        put(&world->back, world->plain.got, world->now_ns);
        return;
    }
    int64_t first = data < ack ? data : ack;
    world->now_ns = first < due ? first : due > world->now_ns ? due : world->now_ns;
    if (data <= ack && data <= due)
        deliver_data(world);
    else if (ack <= due)
        step(world,
             jf_tftp_sender_ack(&world->sender, (uint16_t)take(&world->back), world->now_ns));
    else
        step(world, jf_tftp_sender_tick(&world->sender, world->now_ns));
}

static void transfer(struct world *world, uint32_t windowsize, uint64_t last, unsigned *seed) {
    struct jf_tftp_timer timer;
    jf_tftp_timer_start(&timer, 0, 30000 * MS, 0);
    jf_tftp_sender_start(&world->sender, windowsize, false, last, &timer);
    start(&world->receiver, windowsize);
    world->plain.next_ack = windowsize;
    world->plain.answered = UINT64_MAX;
    world->plain.due_ns = 5000 * MS;
    world->forth.seed = world->back.seed = seed;
    world->last = last;
    send_planned(world);
    for (int i = 0; !world->done; i++) {
        assert_true(i < 5000000);
        advance(world);
    }
    assert_int_equal(world->plain.used ? world->plain.got : world->receiver.received, last);
    assert_int_equal(world->receiver.ended, !world->plain.used);
}

struct weather {
    uint32_t windowsize;
    int loss, doubling, reorder;
    double max_cost; // packets sent per packet needed
    int64_t max_ms;  // for the 3000 blocks; lock-step without loss takes about 630
};

// Severe weather costs packets with windows (whoever keeps nothing out of order must
// get it all again), but never time without end.
static const struct weather weathers[] = {
    {1, 0, 0, 0, 1.0, 700},    {1, 1, 0, 0, 1.01, 750},      {1, 50, 0, 0, 1.2, 4000},
    {1, 0, 1000, 0, 1.0, 700}, {1, 0, 1000, 500, 1.0, 2500}, {1, 100, 100, 100, 1.5, 8000},
    {16, 0, 0, 0, 1.0, 100},   {16, 1, 0, 0, 1.05, 150},     {16, 20, 20, 20, 5.0, 5000},
    {64, 0, 0, 0, 1.0, 60},    {64, 1, 0, 0, 1.2, 200},      {64, 0, 1000, 0, 1.1, 300},
    {64, 0, 0, 50, 20.0, 300},
};

static void run_weather(const struct weather *w, bool plain) {
    struct world *world = calloc(1, sizeof *world);
    unsigned seed = 4711;
    world->plain.used = plain;
    world->forth.loss = world->back.loss = w->loss;
    world->forth.doubling = world->back.doubling = w->doubling;
    world->forth.reorder = world->back.reorder = w->reorder;
    transfer(world, w->windowsize, 3000, &seed);
    double cost = (double)world->sent / 3000;
    int64_t took_ms = world->now_ns / MS;
    print_message("%s, window %u loss %d doubling %d reorder %d: cost %.3f, %lld ms\n",
                  plain ? "plain" : "ours", w->windowsize, w->loss, w->doubling, w->reorder, cost,
                  (long long)took_ms);
    free(world);
    // A client that answers every copy makes us repeat much, though not without end.
    assert_true(cost <= (plain && w->windowsize > 1 ? 200 : w->max_cost));
    // The plain client answers a repetition once; when that is lost, only its own timer helps.
    assert_true(took_ms <= w->max_ms + (plain && w->loss > 1 ? 200000 : 0));
}

static void test_weather(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof weathers / sizeof *weathers; i++) {
        run_weather(&weathers[i], false);
        run_weather(&weathers[i], true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talks),
        cmocka_unit_test(test_weather),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
