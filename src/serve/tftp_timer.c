// SPDX-License-Identifier: Apache-2.0
#include "serve/tftp_timer.h"

#define MS 1000000LL

// A board on a LAN answers within a millisecond; less than this would repeat
// whenever a scheduler takes its turn.
#define RTO_MIN (4 * MS)
// Before anything was measured: a board may still be resolving our address.
#define RTO_FIRST (250 * MS)
// A link that was away for seconds should not cost seconds more.
#define RTO_CAP (1000 * MS)

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

void jf_tftp_timer_start(struct jf_tftp_timer *timer, uint32_t timeout_s, int64_t give_up_ns,
                         int64_t now_ns) {
    int64_t asked_ns = timeout_s > 0 ? (int64_t)timeout_s * 1000 * MS : RTO_CAP;
    *timer = (struct jf_tftp_timer){
        .cap_ns = asked_ns < RTO_CAP ? asked_ns : RTO_CAP,
        .give_up_ns = give_up_ns,
        .rto_ns = RTO_FIRST,
        .heard_ns = now_ns,
        .due_ns = now_ns,
    };
}

void jf_tftp_timer_sample(struct jf_tftp_timer *timer, int64_t rtt_ns) {
    if (timer->srtt_ns == 0) {
        timer->srtt_ns = rtt_ns;
        timer->rttvar_ns = rtt_ns / 2;
    } else {
        int64_t off = rtt_ns - timer->srtt_ns;
        timer->srtt_ns += off / 8;
        timer->rttvar_ns += ((off < 0 ? -off : off) - timer->rttvar_ns) / 4;
    }
    timer->rto_ns = clamp(timer->srtt_ns + 4 * timer->rttvar_ns, RTO_MIN, timer->cap_ns);
}

void jf_tftp_timer_arm(struct jf_tftp_timer *timer, int64_t now_ns) {
    timer->due_ns = now_ns + timer->rto_ns;
}

void jf_tftp_timer_heard(struct jf_tftp_timer *timer, int64_t now_ns) {
    timer->heard_ns = now_ns;
    timer->answered = true;
}

enum jf_tftp_expiry jf_tftp_timer_expire(struct jf_tftp_timer *timer, int64_t now_ns) {
    if (now_ns < timer->due_ns)
        return JF_TFTP_NOT_DUE;
    if (now_ns - timer->heard_ns >= timer->give_up_ns)
        return JF_TFTP_GIVE_UP;
    // The address in a request may be forged: who never answered gets few packets.
    int64_t cap_ns = timer->answered ? timer->cap_ns : timer->give_up_ns;
    timer->rto_ns = clamp(timer->rto_ns * 2, RTO_MIN, cap_ns);
    return JF_TFTP_REPEAT;
}
