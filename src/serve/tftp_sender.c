// SPDX-License-Identifier: Apache-2.0
#include "serve/tftp_sender.h"

#define STALL_NS 1000000LL

// A window that is not acknowledged in time is asked for with its last block: any
// answer says what the client has. Sending all of it again would drown a slow board
// (U-Boot's virtio driver never recovers from a full ring of 32 buffers); so that
// waits until the probes stayed unanswered too, which takes a third of a second.
#define PROBES 3
#define PROBE_GROWTH 4

void jf_tftp_sender_start(struct jf_tftp_sender *sender, uint32_t windowsize, bool oack,
                          uint64_t last, const struct jf_tftp_timer *timer) {
    *sender = (struct jf_tftp_sender){
        .windowsize = windowsize,
        .next = 1,
        .last = last,
        .greeting = oack,
        .timer = *timer,
    };
}

// Measures the round trip; only what was sent once can be measured (Karn).
static void measure(struct jf_tftp_sender *sender, uint64_t block, int64_t now_ns) {
    if (!sender->timing || block != sender->timed)
        return;
    jf_tftp_timer_sample(&sender->timer, now_ns - sender->sent_ns);
    sender->timing = false;
}

// Whether an ACK can be an answer to what was sent at `sent_ns`.
static bool too_early(const struct jf_tftp_sender *sender, int64_t sent_ns, int64_t now_ns) {
    return now_ns - sent_ns < sender->timer.srtt_ns / 2;
}

static void go_back(struct jf_tftp_sender *sender, int64_t now_ns) {
    sender->probing = false;
    sender->next = sender->base + 1;
    sender->back_ns = now_ns;
    sender->timing = false;
}

// The base was acknowledged once more. In lock-step that is a duplicate and must
// not cause a block (the Sorcerer's Apprentice), unless our own repeats went
// unanswered: then the client's timer says that the line is back. In a window it is
// also how the client says that the first block is missing. Believed once, and only
// when it can be an answer to what was sent.
static enum jf_tftp_step repeated_ack(struct jf_tftp_sender *sender, int64_t now_ns) {
    bool meant = sender->windowsize > 1 || sender->timer.repeats > 1;
    if (!meant || sender->nudged || sender->next == sender->base + 1 ||
        too_early(sender, sender->sent_ns, now_ns))
        return JF_TFTP_WAIT;
    if (sender->copies > 0) {
        sender->copies--;
        return JF_TFTP_WAIT;
    }
    sender->nudged = true;
    go_back(sender, now_ns);
    return JF_TFTP_SEND;
}

// New blocks are acknowledged. An ACK inside the window asks for what follows it
// (RFC 7440), but not when all that is already on its way a second time: then a
// client that answers every doubled packet would make us send windows without end.
static enum jf_tftp_step progress(struct jf_tftp_sender *sender, uint64_t acked, int64_t now_ns) {
    measure(sender, acked, now_ns);
    jf_tftp_timer_progress(&sender->timer, sender->windowsize > 1 ? 8 : 2);
    sender->base = acked;
    sender->nudged = false;
    sender->copies = sender->probes;
    sender->probes = 0;
    sender->probing = false;
    if (acked == sender->last)
        return JF_TFTP_DONE;
    if (sender->next <= acked)
        sender->next = acked + 1;
    else if (sender->next > acked + 1 && !too_early(sender, sender->back_ns, now_ns))
        go_back(sender, now_ns);
    return JF_TFTP_SEND;
}

enum jf_tftp_step jf_tftp_sender_ack(struct jf_tftp_sender *sender, uint16_t block,
                                     int64_t now_ns) {
    jf_tftp_timer_heard(&sender->timer, now_ns);
    if (sender->greeting) {
        if (block != 0 || !sender->greeted)
            return JF_TFTP_WAIT;
        measure(sender, 0, now_ns);
        jf_tftp_timer_progress(&sender->timer, 2);
        sender->greeting = false;
        return JF_TFTP_SEND;
    }
    uint16_t ahead = (uint16_t)(block - (uint16_t)sender->base);
    uint64_t acked = sender->base + ahead;
    if (ahead == 0)
        return repeated_ack(sender, now_ns);
    if (acked > sender->high) // an old one, or nonsense
        return JF_TFTP_WAIT;
    return progress(sender, acked, now_ns);
}

enum jf_tftp_step jf_tftp_sender_tick(struct jf_tftp_sender *sender, int64_t now_ns) {
    if (sender->stalled && now_ns >= sender->timer.due_ns) {
        sender->stalled = false;
        if (now_ns - sender->timer.heard_ns < sender->timer.give_up_ns)
            return JF_TFTP_SEND;
    }
    bool probe = sender->next > sender->base + 2 && sender->probes < PROBES;
    switch (jf_tftp_timer_expire(&sender->timer, probe ? PROBE_GROWTH : 2, now_ns)) {
    case JF_TFTP_NOT_DUE:
        return JF_TFTP_WAIT;
    case JF_TFTP_GIVE_UP:
        return JF_TFTP_SILENT;
    case JF_TFTP_REPEAT:
        break;
    }
    sender->nudged = false;
    sender->copies = 0; // they would have come by now
    sender->timing = false;
    sender->probing = probe;
    sender->probes += probe;
    if (!probe)
        go_back(sender, now_ns);
    return JF_TFTP_SEND;
}

struct jf_tftp_plan jf_tftp_sender_plan(const struct jf_tftp_sender *sender) {
    if (sender->greeting)
        return (struct jf_tftp_plan){.oack = true};
    if (sender->probing)
        return (struct jf_tftp_plan){.first = sender->next - 1, .count = 1};
    uint64_t end = sender->base + sender->windowsize;
    if (end > sender->last)
        end = sender->last;
    uint64_t count = end >= sender->next ? end - sender->next + 1 : 0;
    return (struct jf_tftp_plan){.first = sender->next, .count = count};
}

void jf_tftp_sender_sent(struct jf_tftp_sender *sender, uint64_t count, int64_t now_ns) {
    bool again =
        sender->probing || (sender->greeting ? sender->greeted : sender->next <= sender->high);
    if (sender->probing) {
        sender->retransmits++;
        sender->probing = false;
    } else if (sender->greeting) {
        sender->retransmits += again;
        sender->greeted = true;
        sender->timed = 0;
    } else {
        uint64_t old = again ? sender->high - sender->next + 1 : 0;
        sender->retransmits += old < count ? old : count;
        sender->next += count;
        sender->timed = sender->next - 1;
        if (sender->timed > sender->high)
            sender->high = sender->timed;
    }
    sender->timing = !again;
    sender->sent_ns = now_ns;
    sender->stalled = false;
    jf_tftp_timer_arm(&sender->timer, now_ns);
}

void jf_tftp_sender_stalled(struct jf_tftp_sender *sender, int64_t now_ns) {
    sender->stalled = true;
    sender->timer.due_ns = now_ns + STALL_NS;
}
