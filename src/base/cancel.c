// SPDX-License-Identifier: Apache-2.0
#include "base/cancel.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

// Long for what unwinding does between two clean-ups, short for a person.
#define UNWINDING_S 1.0

struct jf_cancel {
    int event_fd; // readable from the first request on
    atomic_int signal_number;
    // Only the job's thread touches these.
    unsigned mask_depth;
    jf_deadline mask_deadline;
    jf_deadline unwinding; // not interrupted until then
};

struct jf_cancel *jf_cancel_new(void) {
    struct jf_cancel *cancel = calloc(1, sizeof *cancel);
    if (!cancel)
        return NULL;
    cancel->mask_deadline = JF_NEVER;
    cancel->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cancel->event_fd < 0) {
        free(cancel);
        return NULL;
    }
    return cancel;
}

void jf_cancel_free(struct jf_cancel *cancel) {
    if (!cancel)
        return;
    close(cancel->event_fd);
    free(cancel);
}

void jf_cancel_request(struct jf_cancel *cancel, int signal_number) {
    int none = 0;
    atomic_compare_exchange_strong(&cancel->signal_number, &none, signal_number);
    uint64_t one = 1;
    // Can only fail when the counter is full, and then it is readable already.
    ssize_t ignored = write(cancel->event_fd, &one, sizeof one);
    (void)ignored;
}

void jf_cancel_reset(struct jf_cancel *cancel) {
    uint64_t count;
    ssize_t ignored = read(cancel->event_fd, &count, sizeof count);
    (void)ignored;
    atomic_store(&cancel->signal_number, 0);
}

int jf_cancel_signal(const struct jf_cancel *cancel) {
    return atomic_load(&cancel->signal_number);
}

jf_deadline jf_cancel_mask(struct jf_cancel *cancel, jf_deadline deadline) {
    jf_deadline outer = cancel->mask_deadline;
    cancel->mask_depth++;
    cancel->mask_deadline = jf_deadline_min(outer, deadline);
    return outer;
}

void jf_cancel_unmask(struct jf_cancel *cancel, jf_deadline outer) {
    cancel->mask_depth--;
    cancel->mask_deadline = outer;
    cancel->unwinding = jf_deadline_in(UNWINDING_S);
}

enum jf_code jf_cancel_check(const struct jf_cancel *cancel, struct jf_error *err) {
    if (cancel->mask_depth > 0) {
        if (jf_deadline_left_ns(cancel->mask_deadline) > 0)
            return JF_OK;
        return jf_fail(err, JF_TIMEOUT, "clean-up overran its deadline");
    }
    int signal_number = jf_cancel_signal(cancel);
    if (!signal_number)
        return JF_OK;
    return jf_fail(err, JF_CANCELLED, "cancelled by SIG%s", sigabbrev_np(signal_number));
}

void jf_cancel_told(struct jf_cancel *cancel) {
    cancel->unwinding = jf_deadline_in(UNWINDING_S);
}

enum jf_code jf_cancel_interrupt(struct jf_cancel *cancel, struct jf_error *err) {
    if (jf_deadline_left_ns(cancel->unwinding) > 0)
        return JF_OK;
    enum jf_code code = jf_cancel_check(cancel, err);
    if (code != JF_OK)
        jf_cancel_told(cancel);
    return code;
}

int jf_cancel_fd(const struct jf_cancel *cancel) {
    return cancel->mask_depth > 0 ? -1 : cancel->event_fd;
}

jf_deadline jf_cancel_bound(const struct jf_cancel *cancel, jf_deadline deadline) {
    return jf_deadline_min(deadline, cancel->mask_deadline);
}
