// SPDX-License-Identifier: Apache-2.0
//
// Every blocking wait of the job's thread goes through here: it has a deadline
// for the whole operation and watches the job's cancellation. Timeout, hang-up,
// cancel and error are four different results.
#ifndef JF_BASE_WAIT_H
#define JF_BASE_WAIT_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

// Waits until `fd` is ready for `events` (poll(2) flags; 0 just sleeps, then fd
// may be -1). `cancel` may be NULL for threads that are stopped otherwise.
// Returns JF_OK, JF_TIMEOUT, JF_CANCELLED, or JF_IO; a hang-up counts as ready,
// since the next read tells it apart from data still to come.
enum jf_code jf_wait_fd(int fd, short events, jf_deadline deadline, const struct jf_cancel *cancel,
                        struct jf_error *err);

// Sleeps until the deadline: JF_OK when it passed, JF_CANCELLED, or JF_TIMEOUT
// when a masked section's own deadline came first.
enum jf_code jf_sleep_until(jf_deadline deadline, const struct jf_cancel *cancel,
                            struct jf_error *err);

// A flag that one thread raises and another waits for through an eventfd, so
// that the wait can watch cancellation in the same poll.
struct jf_event {
    int fd;
};

// The event starts lowered; fd is -1 in a closed event.
enum jf_code jf_event_open(struct jf_event *event, struct jf_error *err);
void jf_event_close(struct jf_event *event);
void jf_event_raise(struct jf_event *event);
void jf_event_lower(struct jf_event *event);
// As jf_wait_fd; does not lower the event.
enum jf_code jf_event_wait(const struct jf_event *event, jf_deadline deadline,
                           const struct jf_cancel *cancel, struct jf_error *err);

#endif
