// SPDX-License-Identifier: Apache-2.0
#include "base/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum jf_code jf_wait_fd(int fd, short events, jf_deadline deadline, const struct jf_cancel *cancel,
                        struct jf_error *err) {
    jf_deadline bound = cancel ? jf_cancel_bound(cancel, deadline) : deadline;
    // poll(2) ignores negative descriptors.
    struct pollfd fds[2] = {
        {.fd = fd, .events = events},
        {.fd = cancel ? jf_cancel_fd(cancel) : -1, .events = POLLIN},
    };
    for (;;) {
        int ready = poll(fds, 2, jf_deadline_left_ms(bound));
        if (ready < 0 && errno != EINTR)
            return jf_fail_errno(err, errno, "poll");
        if (ready > 0 && fds[1].revents)
            return jf_cancel_check(cancel, err);
        if (ready > 0 && fds[0].revents)
            return JF_OK;
        if (jf_deadline_left_ns(bound) == 0)
            return jf_fail(err, JF_TIMEOUT, "timeout");
    }
}

enum jf_code jf_sleep_until(jf_deadline deadline, const struct jf_cancel *cancel,
                            struct jf_error *err) {
    enum jf_code code = jf_wait_fd(-1, 0, deadline, cancel, err);
    if (code == JF_TIMEOUT && jf_deadline_left_ns(deadline) == 0)
        return JF_OK;
    return code;
}

enum jf_code jf_event_open(struct jf_event *event, struct jf_error *err) {
    event->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return event->fd < 0 ? jf_fail_errno(err, errno, "eventfd") : JF_OK;
}

void jf_event_close(struct jf_event *event) {
    if (event->fd >= 0)
        close(event->fd);
    event->fd = -1;
}

void jf_event_raise(struct jf_event *event) {
    uint64_t one = 1;
    // Can only fail when the counter is full, and then it is readable already.
    ssize_t ignored = write(event->fd, &one, sizeof one);
    (void)ignored;
}

void jf_event_lower(struct jf_event *event) {
    uint64_t count;
    ssize_t ignored = read(event->fd, &count, sizeof count);
    (void)ignored;
}

enum jf_code jf_event_wait(const struct jf_event *event, jf_deadline deadline,
                           const struct jf_cancel *cancel, struct jf_error *err) {
    return jf_wait_fd(event->fd, POLLIN, deadline, cancel, err);
}
