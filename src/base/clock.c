// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <limits.h>

#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL

int64_t jf_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

jf_deadline jf_deadline_in(double seconds) {
    const double longest_s = 1e9; // beyond 30 years nobody can tell it from never
    if (seconds >= longest_s)
        return JF_NEVER;
    if (!(seconds > 0))
        return jf_now_ns();
    return jf_now_ns() + (int64_t)(seconds * (double)NS_PER_S);
}

jf_deadline jf_deadline_min(jf_deadline a, jf_deadline b) {
    return a < b ? a : b;
}

int64_t jf_deadline_left_ns(jf_deadline deadline) {
    if (deadline == JF_NEVER)
        return JF_NEVER;
    int64_t left = deadline - jf_now_ns();
    return left > 0 ? left : 0;
}

int jf_deadline_left_ms(jf_deadline deadline) {
    if (deadline == JF_NEVER)
        return -1;
    int64_t left_ms = (jf_deadline_left_ns(deadline) + NS_PER_MS - 1) / NS_PER_MS;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

struct timespec jf_deadline_timespec(jf_deadline deadline) {
    // time_t's end is out of reach for the kernel's own arithmetic; a century is not.
    const int64_t far = jf_now_ns() + 100LL * 365 * 86400 * NS_PER_S;
    int64_t at = deadline < far ? deadline : far;
    return (struct timespec){.tv_sec = at / NS_PER_S, .tv_nsec = at % NS_PER_S};
}
