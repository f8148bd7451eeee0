// SPDX-License-Identifier: Apache-2.0
//
// What an image is read from while it still arrives. src/image does no network:
// who fetches offers these functions, and an image is opened on them. The thread of
// each reader calls them.
#ifndef JF_IMAGE_GROWING_H
#define JF_IMAGE_GROWING_H

#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

struct jf_growing {
    // Reads up to `len` bytes at `offset`, waiting until at least one is there.
    // *ret_len is 0 at the end, which is known only when all has arrived.
    enum jf_code (*read)(void *owner, uint64_t offset, void *bytes, size_t len,
                         jf_deadline deadline, const struct jf_cancel *cancel, size_t *ret_len,
                         struct jf_error *err);
    int64_t (*size)(void *owner); // -1 while it is not known
    void (*ref)(void *owner);
    void (*unref)(void *owner);
    void *owner;
};

#endif
