// SPDX-License-Identifier: Apache-2.0
//
// The server's side of a read as a state machine: which blocks to send, when to
// send them again, when it is over (RFC 1350, RFC 7440 windows). Pure: no I/O, no
// data, the clock is passed in. Blocks are counted from 1 without roll-over here;
// only the 16 bits on the wire roll over.
#ifndef JF_SERVE_TFTP_SENDER_H
#define JF_SERVE_TFTP_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "serve/tftp_timer.h"

#define JF_TFTP_WINDOW_MAX 32767 // beyond it an old ACK could pass for a new one
#define JF_TFTP_LAST_UNKNOWN UINT64_MAX

struct jf_tftp_sender {
    uint32_t windowsize;
    uint64_t base;   // the last block the client has acknowledged
    uint64_t next;   // the next block to send
    uint64_t high;   // the highest block ever sent
    uint64_t last;   // the final block's number, once known
    bool greeting;   // an OACK is not acknowledged yet
    bool greeted;    // it was sent at least once
    bool nudged;     // this base was already resent because of a repeated ACK
    bool probing;    // send only the last block that is on its way
    uint32_t probes; // since the base moved
    uint32_t copies; // ACKs that probes may still cause, which ask for nothing
    bool stalled;    // the socket took no more: go on soon, without a penalty
    bool timing;     // `timed` was sent once, at `sent_ns`: its ACK is a measure
    uint64_t timed;  // the block whose ACK is waited for
    int64_t sent_ns;
    int64_t back_ns;      // when it last went back to send again
    uint64_t retransmits; // packets sent again
    struct jf_tftp_timer timer;
};

enum jf_tftp_step {
    JF_TFTP_WAIT,   // nothing to do before `timer.due_ns`
    JF_TFTP_SEND,   // send what jf_tftp_sender_plan says
    JF_TFTP_DONE,   // the client has everything
    JF_TFTP_SILENT, // the client went silent: give up
};

// What to send now: the OACK, or `count` blocks from `first`.
struct jf_tftp_plan {
    bool oack;
    uint64_t first;
    uint64_t count;
};

// `last` may be JF_TFTP_LAST_UNKNOWN; set it when the end is found. The first step
// is JF_TFTP_SEND.
void jf_tftp_sender_start(struct jf_tftp_sender *sender, uint32_t windowsize, bool oack,
                          uint64_t last, const struct jf_tftp_timer *timer);

// An ACK of block `block` arrived.
enum jf_tftp_step jf_tftp_sender_ack(struct jf_tftp_sender *sender, uint16_t block, int64_t now_ns);

// Time has passed.
enum jf_tftp_step jf_tftp_sender_tick(struct jf_tftp_sender *sender, int64_t now_ns);

struct jf_tftp_plan jf_tftp_sender_plan(const struct jf_tftp_sender *sender);

// The OACK, or `count` blocks from the plan's first, went out.
void jf_tftp_sender_sent(struct jf_tftp_sender *sender, uint64_t count, int64_t now_ns);

// The socket's buffer is full: the next step comes in a moment.
void jf_tftp_sender_stalled(struct jf_tftp_sender *sender, int64_t now_ns);

#endif
