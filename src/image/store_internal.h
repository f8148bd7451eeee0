// SPDX-License-Identifier: Apache-2.0
//
// What the files of the store share.
#ifndef JF_IMAGE_STORE_INTERNAL_H
#define JF_IMAGE_STORE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "image/store.h"

#define CHUNK ((size_t)256 * 1024)

struct jf_store {
    char *path;
    int fd;
    enum jf_format format;
    uint64_t bytes;           // plain, up to the position
    uint64_t stored_bytes;    // the position in the file
    struct jf_digest *digest; // of the plain bytes
    unsigned char *plain;     // CHUNK bytes each
    unsigned char *coded;
};

// *ret_len is less than `len` at the end of the file.
enum jf_code jf_store_read_at(int fd, const char *path, void *bytes, size_t len, uint64_t offset,
                              size_t *ret_len, struct jf_error *err);

// The range behind the position is in order. Takes *whole, the digest up to its end.
void jf_store_move_on(struct jf_store *store, uint64_t bytes, uint64_t stored_bytes,
                      struct jf_digest **whole);

static inline size_t smaller(uint64_t left, size_t most) {
    return left < most ? (size_t)left : most;
}

#endif
