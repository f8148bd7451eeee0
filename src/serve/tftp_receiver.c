// SPDX-License-Identifier: Apache-2.0
#include "serve/tftp_receiver.h"

// A copy this soon after our ACK was made by the network, or by a client that
// answers copies of ACKs (curl): answering it would make more of them.
#define COPY_NS 4000000LL

void jf_tftp_receiver_start(struct jf_tftp_receiver *receiver, uint32_t blksize,
                            uint32_t windowsize, bool oack, const struct jf_tftp_timer *timer) {
    *receiver = (struct jf_tftp_receiver){
        .blksize = blksize,
        .windowsize = windowsize,
        .greeting = oack,
        .timing = true,
        .timer = *timer,
    };
}

static struct jf_tftp_verdict in_order(struct jf_tftp_receiver *receiver, size_t len,
                                       int64_t now_ns) {
    if (receiver->timing && receiver->unacked == 0)
        jf_tftp_timer_sample(&receiver->timer, now_ns - receiver->sent_ns);
    receiver->timing = false;
    jf_tftp_timer_progress(&receiver->timer, 2);
    receiver->greeting = false;
    receiver->nacked = false;
    receiver->received++;
    receiver->unacked++;
    receiver->ended = len < receiver->blksize;
    jf_tftp_timer_arm(&receiver->timer, now_ns);
    return (struct jf_tftp_verdict){
        .store = true,
        .last = receiver->ended,
        .ack = receiver->ended || receiver->unacked >= receiver->windowsize,
    };
}

struct jf_tftp_verdict jf_tftp_receiver_data(struct jf_tftp_receiver *receiver, uint16_t block,
                                             size_t len, int64_t now_ns) {
    jf_tftp_timer_heard(&receiver->timer, now_ns);
    uint16_t ahead = (uint16_t)(block - (uint16_t)receiver->received);
    if (ahead == 1 && !receiver->ended)
        return in_order(receiver, len, now_ns);

    // A copy of what the next ACK will cover, or of what the last one did.
    uint16_t behind = (uint16_t)-ahead;
    bool copy = behind < INT16_MAX && now_ns - receiver->sent_ns < COPY_NS;
    if (behind < receiver->unacked || (copy && !receiver->ended))
        return (struct jf_tftp_verdict){0};

    // A gap, or something old because our ACK was lost. In lock-step each is
    // answered; a window of them gets one answer.
    bool answered = receiver->windowsize > 1 && receiver->nacked;
    receiver->nacked = true;
    receiver->timing = false;
    return (struct jf_tftp_verdict){.ack = !answered};
}

struct jf_tftp_verdict jf_tftp_receiver_tick(struct jf_tftp_receiver *receiver, int64_t now_ns) {
    switch (jf_tftp_timer_expire(&receiver->timer, 2, now_ns)) {
    case JF_TFTP_NOT_DUE:
        return (struct jf_tftp_verdict){0};
    case JF_TFTP_GIVE_UP:
        return (struct jf_tftp_verdict){.silent = true};
    case JF_TFTP_REPEAT:
        break;
    }
    receiver->nacked = false;
    receiver->timing = false;
    receiver->retransmits++;
    return (struct jf_tftp_verdict){.ack = true};
}

void jf_tftp_receiver_sent(struct jf_tftp_receiver *receiver, int64_t now_ns) {
    receiver->unacked = 0;
    receiver->sent_ns = now_ns;
    jf_tftp_timer_arm(&receiver->timer, now_ns);
}
