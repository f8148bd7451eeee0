// SPDX-License-Identifier: Apache-2.0
//
// The server's side of a write as a state machine: which blocks to keep, what to
// acknowledge and when to say it again. Pure: no I/O, the clock is passed in.
#ifndef JF_SERVE_TFTP_RECEIVER_H
#define JF_SERVE_TFTP_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/tftp_timer.h"

struct jf_tftp_receiver {
    uint32_t blksize;
    uint32_t windowsize;
    uint64_t received; // the last block that came in order
    uint32_t unacked;  // blocks since the last ACK
    bool greeting;     // the OACK stands for the ACK of block 0
    bool nacked;       // this gap or repetition was answered already
    bool ended;        // the final block came
    bool timing;       // an ACK went out once, at `sent_ns`: the next block is a measure
    int64_t sent_ns;
    uint64_t retransmits;
    struct jf_tftp_timer timer;
};

// What to do with a block, or after time has passed.
struct jf_tftp_verdict {
    bool store;  // the block is the next one: keep its bytes
    bool ack;    // send what jf_tftp_receiver_ack_block says (or the OACK)
    bool last;   // with `store`: it is the final block
    bool silent; // the client went silent: give up
};

// The first thing to send is the OACK, or the ACK of block 0.
void jf_tftp_receiver_start(struct jf_tftp_receiver *receiver, uint32_t blksize,
                            uint32_t windowsize, bool oack, const struct jf_tftp_timer *timer);

// A DATA packet with `len` bytes of data arrived; `len` is at most the block size.
struct jf_tftp_verdict jf_tftp_receiver_data(struct jf_tftp_receiver *receiver, uint16_t block,
                                             size_t len, int64_t now_ns);

// Time has passed.
struct jf_tftp_verdict jf_tftp_receiver_tick(struct jf_tftp_receiver *receiver, int64_t now_ns);

// The ACK (or the OACK) went out.
void jf_tftp_receiver_sent(struct jf_tftp_receiver *receiver, int64_t now_ns);

#endif
