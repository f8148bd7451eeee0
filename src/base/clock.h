// SPDX-License-Identifier: Apache-2.0
//
// Monotonic time and deadlines. A deadline is an absolute instant, so that it
// covers a whole operation however many system calls it takes.
#ifndef JF_BASE_CLOCK_H
#define JF_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

// Nanoseconds on CLOCK_MONOTONIC.
typedef int64_t jf_deadline;

#define JF_NEVER INT64_MAX

// Now, in nanoseconds on CLOCK_MONOTONIC.
int64_t jf_now_ns(void);

// The instant `seconds` from now; negative or NaN means now, huge means JF_NEVER.
jf_deadline jf_deadline_in(double seconds);

jf_deadline jf_deadline_min(jf_deadline a, jf_deadline b);

// Nanoseconds left; 0 when passed, JF_NEVER for JF_NEVER.
int64_t jf_deadline_left_ns(jf_deadline deadline);

// Milliseconds left for poll(2): rounded up so that a wait never ends early,
// -1 for JF_NEVER.
int jf_deadline_left_ms(jf_deadline deadline);

// The instant as a timespec on CLOCK_MONOTONIC, for pthread_cond_clockwait.
struct timespec jf_deadline_timespec(jf_deadline deadline);

#endif
