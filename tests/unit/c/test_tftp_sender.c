// SPDX-License-Identifier: Apache-2.0
//
// Conversations with the sending state machine: each line is one thing that
// happens, and what must go out because of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/tftp_sender.h"

// A row of a table says only what matters in it.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define MS 1000000LL
#define END                                                                                        \
    { 0 }

enum happening { NOTHING, ACK, TICK };

struct line {
    enum happening what;
    int64_t at_ms;
    unsigned block;
    enum jf_tftp_step step;
    uint64_t first; // with SEND: what the plan says; first 0 is the OACK
    uint64_t count;
};

struct talk {
    const char *title;
    uint32_t windowsize;
    bool oack;
    uint64_t last;
    struct line lines[16];
};

// The first packet always goes out at 0 ms; the first wait is a second.
// clang-format off
static const struct talk talks[] = {
    {"lock-step", 1, false, 3,
     {{ACK, 1, 1, JF_TFTP_SEND, 2, 1}, {ACK, 2, 2, JF_TFTP_SEND, 3, 1}, {ACK, 3, 3, JF_TFTP_DONE}, END}},
    {"OACK, then lock-step", 1, true, 2,
     {{ACK, 1, 0, JF_TFTP_SEND, 1, 1}, {ACK, 2, 1, JF_TFTP_SEND, 2, 1}, {ACK, 3, 2, JF_TFTP_DONE}, END}},
    {"a wrong ACK does not answer an OACK", 1, true, 2,
     {{ACK, 1, 1, JF_TFTP_WAIT}, {ACK, 2, 0, JF_TFTP_SEND, 1, 1}, END}},
    {"a lost OACK is repeated, and again later", 1, true, 2,
     {{TICK, 999, 0, JF_TFTP_WAIT}, {TICK, 1000, 0, JF_TFTP_SEND, 0, 0},
      {TICK, 2900, 0, JF_TFTP_WAIT}, {TICK, 3000, 0, JF_TFTP_SEND, 0, 0}, END}},
    {"a duplicate ACK causes nothing (Sorcerer's Apprentice)", 1, false, 9,
     {{ACK, 1, 1, JF_TFTP_SEND, 2, 1}, {ACK, 2, 1, JF_TFTP_WAIT}, {ACK, 3, 1, JF_TFTP_WAIT},
      {ACK, 3, 2, JF_TFTP_SEND, 3, 1}, {ACK, 4, 1, JF_TFTP_WAIT}, {ACK, 4, 2, JF_TFTP_WAIT}, END}},
    {"an ACK of what was never sent causes nothing", 1, false, 9,
     {{ACK, 1, 2, JF_TFTP_WAIT}, {ACK, 1, 65535, JF_TFTP_WAIT}, {ACK, 1, 1, JF_TFTP_SEND, 2, 1}, END}},
    {"a lost block comes again after the measured round trip", 1, false, 9,
     {{ACK, 1, 1, JF_TFTP_SEND, 2, 1}, {TICK, 4, 0, JF_TFTP_WAIT}, {TICK, 5, 0, JF_TFTP_SEND, 2, 1},
      {ACK, 6, 2, JF_TFTP_SEND, 3, 1}, END}},
    {"the client's own timer speaks after ours did once, and twice", 1, false, 9,
     {{ACK, 1, 1, JF_TFTP_SEND, 2, 1}, {TICK, 10, 0, JF_TFTP_SEND, 2, 1}, {ACK, 12, 1, JF_TFTP_WAIT},
      {TICK, 30, 0, JF_TFTP_SEND, 2, 1}, {ACK, 32, 1, JF_TFTP_SEND, 2, 1}, {ACK, 34, 1, JF_TFTP_WAIT}, END}},
    {"windows", 4, false, 10,
     {{ACK, 1, 4, JF_TFTP_SEND, 5, 4}, {ACK, 2, 8, JF_TFTP_SEND, 9, 2}, {ACK, 3, 10, JF_TFTP_DONE}, END}},
    {"an ACK inside the window: from there", 4, false, 20,
     {{ACK, 1, 2, JF_TFTP_SEND, 3, 4}, {ACK, 2, 6, JF_TFTP_SEND, 7, 4}, END}},
    {"but not while that is on its way already", 4, false, 20,
     {{ACK, 4, 4, JF_TFTP_SEND, 5, 4}, {ACK, 8, 5, JF_TFTP_SEND, 6, 4}, {ACK, 9, 6, JF_TFTP_SEND, 10, 1},
      {ACK, 12, 10, JF_TFTP_SEND, 11, 4}, END}},
    {"a window's first block lost: its base is acknowledged again, believed once", 4, false, 20,
     {{ACK, 2, 4, JF_TFTP_SEND, 5, 4}, {ACK, 2, 4, JF_TFTP_WAIT}, {ACK, 4, 4, JF_TFTP_SEND, 5, 4},
      {ACK, 6, 4, JF_TFTP_WAIT}, {ACK, 8, 8, JF_TFTP_SEND, 9, 4}, END}},
    {"the whole window lost: its last block asks, the answer says where to go on", 4, false, 20,
     {{ACK, 1, 4, JF_TFTP_SEND, 5, 4}, {TICK, 5, 0, JF_TFTP_SEND, 8, 1}, {ACK, 6, 4, JF_TFTP_SEND, 5, 4},
      {ACK, 7, 8, JF_TFTP_SEND, 9, 4}, END}},
    {"a window's end lost", 4, false, 20,
     {{ACK, 1, 4, JF_TFTP_SEND, 5, 4}, {TICK, 5, 0, JF_TFTP_SEND, 8, 1}, {ACK, 6, 6, JF_TFTP_SEND, 7, 4}, END}},
    {"an ACK that was only late; the probe's own answer asks for nothing", 4, false, 20,
     {{ACK, 1, 4, JF_TFTP_SEND, 5, 4}, {TICK, 5, 0, JF_TFTP_SEND, 8, 1}, {ACK, 6, 8, JF_TFTP_SEND, 9, 4},
      {ACK, 8, 8, JF_TFTP_WAIT}, {ACK, 9, 12, JF_TFTP_SEND, 13, 4}, END}},
    {"probes that stay unanswered: in the end the whole window", 4, false, 20,
     {{ACK, 1, 4, JF_TFTP_SEND, 5, 4}, {TICK, 5, 0, JF_TFTP_SEND, 8, 1}, {TICK, 21, 0, JF_TFTP_SEND, 8, 1},
      {TICK, 85, 0, JF_TFTP_SEND, 8, 1}, {TICK, 340, 0, JF_TFTP_WAIT}, {TICK, 341, 0, JF_TFTP_SEND, 5, 4},
      {ACK, 342, 8, JF_TFTP_SEND, 9, 4}, END}},
    {"an answer to probes of the window before is not waited for in the next", 4, false, 30,
     {{ACK, 1, 4, JF_TFTP_SEND, 5, 4}, {TICK, 5, 0, JF_TFTP_SEND, 8, 1}, {TICK, 21, 0, JF_TFTP_SEND, 8, 1},
      {ACK, 22, 8, JF_TFTP_SEND, 9, 4}, {TICK, 30, 0, JF_TFTP_SEND, 12, 1}, {ACK, 32, 8, JF_TFTP_SEND, 9, 4}, END}},
    {"silence", 1, false, 20,
     {{ACK, 0, 1, JF_TFTP_SEND, 2, 1}, {TICK, 20000, 0, JF_TFTP_SEND, 2, 1},
      {TICK, 31000, 0, JF_TFTP_SILENT}, END}},
    {"the only block is the last", 64, false, 1, {{ACK, 1, 1, JF_TFTP_DONE}, END}},
};
// clang-format on

static void send_plan(struct jf_tftp_sender *sender, int64_t now_ns) {
    struct jf_tftp_plan plan = jf_tftp_sender_plan(sender);
    jf_tftp_sender_sent(sender, plan.count, now_ns);
}

static enum jf_tftp_step happen(struct jf_tftp_sender *sender, const struct line *line) {
    int64_t now_ns = line->at_ms * MS;
    return line->what == ACK ? jf_tftp_sender_ack(sender, (uint16_t)line->block, now_ns)
                             : jf_tftp_sender_tick(sender, now_ns);
}

static void start(struct jf_tftp_sender *sender, uint32_t windowsize, bool oack, uint64_t last) {
    struct jf_tftp_timer timer;
    jf_tftp_timer_start(&timer, 0, 30000 * MS, 0);
    jf_tftp_sender_start(sender, windowsize, oack, last, &timer);
    send_plan(sender, 0);
}

static void test_talks(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof talks / sizeof *talks; i++) {
        struct jf_tftp_sender sender;
        print_message("%s\n", talks[i].title);
        start(&sender, talks[i].windowsize, talks[i].oack, talks[i].last);
        for (const struct line *line = talks[i].lines; line->what != NOTHING; line++) {
            assert_int_equal(happen(&sender, line), line->step);
            if (line->step != JF_TFTP_SEND)
                continue;
            struct jf_tftp_plan plan = jf_tftp_sender_plan(&sender);
            assert_int_equal(plan.oack, line->first == 0);
            assert_int_equal(plan.first, line->first);
            assert_int_equal(plan.count, line->count);
            send_plan(&sender, line->at_ms * MS);
        }
    }
}

static void test_roll_over(void **state) {
    (void)state;
    struct jf_tftp_sender sender;
    const uint64_t last = 200001;
    start(&sender, 7, false, last);
    for (int64_t now = 1;; now++) {
        uint64_t sent = sender.next - 1;
        enum jf_tftp_step step = jf_tftp_sender_ack(&sender, (uint16_t)sent, now * MS);
        if (step == JF_TFTP_DONE) {
            assert_int_equal(sent, last);
            break;
        }
        assert_int_equal(step, JF_TFTP_SEND);
        send_plan(&sender, now * MS);
    }
    assert_int_equal(sender.retransmits, 0);
}

// A full socket is no loss: the rest follows in a millisecond, nothing is counted.
static void test_stalled(void **state) {
    (void)state;
    struct jf_tftp_sender sender;
    start(&sender, 4, false, 8);
    assert_int_equal(jf_tftp_sender_ack(&sender, 4, MS), JF_TFTP_SEND);
    jf_tftp_sender_sent(&sender, 1, MS);
    jf_tftp_sender_stalled(&sender, MS);
    assert_int_equal(jf_tftp_sender_tick(&sender, MS + MS / 2), JF_TFTP_WAIT);
    assert_int_equal(jf_tftp_sender_tick(&sender, 2 * MS), JF_TFTP_SEND);
    struct jf_tftp_plan plan = jf_tftp_sender_plan(&sender);
    assert_int_equal(plan.first, 6);
    assert_int_equal(plan.count, 3);
    send_plan(&sender, 2 * MS);
    assert_int_equal(sender.retransmits, 0);
}

static void test_unknown_end(void **state) {
    (void)state;
    struct jf_tftp_sender sender;
    start(&sender, 1, false, JF_TFTP_LAST_UNKNOWN);
    assert_int_equal(jf_tftp_sender_ack(&sender, 1, MS), JF_TFTP_SEND);
    sender.last = 2;
    send_plan(&sender, MS);
    assert_int_equal(jf_tftp_sender_ack(&sender, 2, 2 * MS), JF_TFTP_DONE);
}

// The wait follows the round trip, has a floor, doubles, and is capped by what was
// negotiated; a peer that never answered is asked ever more rarely.
static void test_timer(void **state) {
    (void)state;
    struct jf_tftp_timer timer;
    jf_tftp_timer_start(&timer, 0, 30000 * MS, 0);
    int sent = 0;
    for (int64_t now = 0; now < 30000; now++) {
        if (now == 0 || jf_tftp_timer_expire(&timer, 2, now * MS) == JF_TFTP_REPEAT) {
            jf_tftp_timer_arm(&timer, now * MS);
            sent++;
        }
    }
    assert_in_range(sent, 4, 6);

    jf_tftp_timer_heard(&timer, 30000 * MS);
    for (int i = 0; i < 50; i++)
        jf_tftp_timer_sample(&timer, 3 * MS / 10);
    assert_int_equal(timer.rto_ns, 4 * MS);
    for (int i = 0; i < 50; i++)
        jf_tftp_timer_sample(&timer, 40 * MS);
    assert_in_range(timer.rto_ns, 40 * MS, 80 * MS);
    jf_tftp_timer_sample(&timer, 50000 * MS);
    assert_int_equal(timer.rto_ns, 6250 * MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talks),   cmocka_unit_test(test_roll_over),
        cmocka_unit_test(test_stalled), cmocka_unit_test(test_unknown_end),
        cmocka_unit_test(test_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
