// SPDX-License-Identifier: Apache-2.0
//
// The file that a dump grows into. Ranges of plain bytes are appended to it, each
// as a compressed member of its own, or as they are, with holes for zeros. So a
// file that was cut off anywhere is good up to the end of its last whole range,
// and who has kept sizes and digests can go on from there: jf_store_check walks
// over the ranges that are there, jf_store_add_* append behind them, and the first
// of these drops whatever follows.
//
// Belongs to one thread. The SHA-256 of all plain bytes is kept on the way.
#ifndef JF_IMAGE_STORE_H
#define JF_IMAGE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/digest.h"
#include "base/error.h"
#include "image/format.h"

struct jf_store;

// Opens the file, or makes it; the position is its beginning. `format` is raw or
// one that jf_encoder_knows. On success the caller owns the store; jf_store_close
// accepts NULL and leaves the file as it is.
enum jf_code jf_store_open(const char *path, enum jf_format format, struct jf_store **ret_store,
                           struct jf_error *err);
void jf_store_close(struct jf_store *store);

// The plain bytes up to the position.
uint64_t jf_store_bytes(const struct jf_store *store);

// Moves the position over a range of `bytes` plain bytes that take `stored_bytes`
// in the file. JF_CHECKSUM when they are not there whole or have another SHA-256;
// the position then stays.
enum jf_code jf_store_check(struct jf_store *store, uint64_t bytes, uint64_t stored_bytes,
                            const char *sha256, const struct jf_cancel *cancel,
                            struct jf_error *err);

// Appends the first `bytes` bytes of a file, or so many zeros. After a failure the
// position is where it was.
enum jf_code jf_store_add_file(struct jf_store *store, const char *path, uint64_t bytes,
                               const struct jf_cancel *cancel, uint64_t *ret_stored_bytes,
                               struct jf_error *err);
enum jf_code jf_store_add_zeros(struct jf_store *store, uint64_t bytes,
                                const struct jf_cancel *cancel, uint64_t *ret_stored_bytes,
                                struct jf_error *err);

// Drops what follows the position, brings all to the medium and gives the file its
// final name. JF_IO with EEXIST when there is one of that name, unless `replace`.
// After it only jf_store_close is allowed.
enum jf_code jf_store_finish(struct jf_store *store, const char *path, bool replace,
                             char ret_sha256[JF_SHA256_HEX_SIZE], struct jf_error *err);

#endif
