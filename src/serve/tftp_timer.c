// SPDX-License-Identifier: Apache-2.0
#include "serve/tftp_timer.h"

#define MS 1000000LL

// A board on a LAN answers within a millisecond; less than this would repeat
// whenever a scheduler takes its turn.
#define RTO_MIN (4 * MS)
// Before anything was measured: a board may still be resolving our address, and
// some clients (atftp) abort when they see a second OACK.
#define RTO_FIRST (1000 * MS)
// Beyond this more repeats help no one.
#define RTO_LONG (1000 * MS)
// What clients use when they do not negotiate a timeout.
#define CLIENT_TIMEOUT (5000 * MS)
#define TIMEOUT_MAX (10000 * MS)

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

void jf_tftp_timer_start(struct jf_tftp_timer *timer, uint32_t timeout_s, int64_t give_up_ns,
                         int64_t now_ns) {
    int64_t client_ns = timeout_s > 0 ? (int64_t)timeout_s * 1000 * MS : CLIENT_TIMEOUT;
    client_ns = clamp(client_ns, 0, TIMEOUT_MAX);
    *timer = (struct jf_tftp_timer){
        // A little longer than the client's own timer: some restart it for every packet,
        // also for those they ignore, and would never get to repeat their ACK.
        .cap_ns = client_ns + client_ns / 4,
        .give_up_ns = give_up_ns,
        .rto_ns = RTO_FIRST,
        .heard_ns = now_ns,
        .due_ns = now_ns,
    };
}

static int64_t measured(const struct jf_tftp_timer *timer) {
    return clamp(timer->srtt_ns + 4 * timer->rttvar_ns, RTO_MIN, timer->cap_ns);
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
    timer->rto_ns = measured(timer);
}

void jf_tftp_timer_progress(struct jf_tftp_timer *timer, int shrink) {
    timer->repeats = 0;
    if (timer->srtt_ns > 0)
        timer->rto_ns = clamp(timer->rto_ns / shrink, measured(timer), timer->cap_ns);
}

void jf_tftp_timer_arm(struct jf_tftp_timer *timer, int64_t now_ns) {
    timer->due_ns = now_ns + timer->rto_ns;
}

void jf_tftp_timer_heard(struct jf_tftp_timer *timer, int64_t now_ns) {
    timer->heard_ns = now_ns;
    timer->answered = true;
}

enum jf_tftp_expiry jf_tftp_timer_expire(struct jf_tftp_timer *timer, int growth, int64_t now_ns) {
    if (now_ns < timer->due_ns)
        return JF_TFTP_NOT_DUE;
    if (now_ns - timer->heard_ns >= timer->give_up_ns)
        return JF_TFTP_GIVE_UP;
    // The address in a request may be forged: who never answered gets few packets.
    int64_t cap_ns = timer->answered ? timer->cap_ns : timer->give_up_ns;
    timer->rto_ns = clamp(timer->rto_ns * growth, RTO_MIN, cap_ns);
    // Enough was tried: now keep still, so that the client's timer can run out.
    if (timer->answered && timer->rto_ns > RTO_LONG)
        timer->rto_ns = timer->cap_ns;
    timer->repeats++;
    return JF_TFTP_REPEAT;
}
