// SPDX-License-Identifier: Apache-2.0
//
// When to repeat what was not answered: a timer set from the measured round trip
// (RFC 6298), so that a lost packet costs milliseconds and not the seconds that
// TFTP's own timeout option counts in. Pure: the clock is passed in. All times
// are nanoseconds.
#ifndef JF_SERVE_TFTP_TIMER_H
#define JF_SERVE_TFTP_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct jf_tftp_timer {
    bool answered;      // the peer has said something; before that the waits have no cap
    int64_t cap_ns;     // the longest wait before a repeat
    int64_t give_up_ns; // silence after which the transfer is over
    int64_t srtt_ns;    // smoothed round trip; 0 before the first measure
    int64_t rttvar_ns;
    int64_t rto_ns;   // the wait before the next repeat
    uint32_t repeats; // since the peer last said something new
    int64_t heard_ns; // when the peer last said something
    int64_t due_ns;   // when to act next
};

enum jf_tftp_expiry {
    JF_TFTP_NOT_DUE,
    JF_TFTP_REPEAT,
    JF_TFTP_GIVE_UP,
};

// `timeout_s` is the negotiated option, 0 for none.
void jf_tftp_timer_start(struct jf_tftp_timer *timer, uint32_t timeout_s, int64_t give_up_ns,
                         int64_t now_ns);

// The peer said something new: what was sent got through. Waits that repeats had
// made longer become `shrink` times shorter, down to what was measured.
void jf_tftp_timer_progress(struct jf_tftp_timer *timer, int shrink);

// One measured round trip of something that was sent only once.
void jf_tftp_timer_sample(struct jf_tftp_timer *timer, int64_t rtt_ns);

// Something was sent that wants an answer.
void jf_tftp_timer_arm(struct jf_tftp_timer *timer, int64_t now_ns);

// The peer said something.
void jf_tftp_timer_heard(struct jf_tftp_timer *timer, int64_t now_ns);

// Tells whether to repeat; each repeat makes the next wait `growth` times as long, up
// to the cap.
enum jf_tftp_expiry jf_tftp_timer_expire(struct jf_tftp_timer *timer, int growth, int64_t now_ns);

#endif
