// SPDX-License-Identifier: Apache-2.0
//
// Advisory locks (flock) on small files that say who holds them. They work
// across users in one shared directory and end with the process, however it
// ends. The file stays behind, empty: removing it would race with others.
#ifndef JF_SYS_LOCK_H
#define JF_SYS_LOCK_H

#include <stdbool.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

struct jf_lock {
    int fd; // -1 in a closed lock
    bool signed_by_us;
};

// Text about a lock's holder: "pid 12, user ann, since 2024-05-06 07:08:09".
#define JF_LOCK_HOLDER_SIZE 512

// Takes the lock, waiting until `deadline` while another process has it.
// JF_TIMEOUT: it is taken; `ret_holder` then says by whom, and otherwise is
// empty. `owner` is what others are told (one line); NULL: pid, user and time.
// Release with jf_lock_close, which accepts a closed lock.
enum jf_code jf_lock_take(const char *path, bool exclusive, const char *owner, jf_deadline deadline,
                          const struct jf_cancel *cancel, struct jf_lock *ret_lock,
                          char ret_holder[JF_LOCK_HOLDER_SIZE], struct jf_error *err);

void jf_lock_close(struct jf_lock *lock);

#endif
