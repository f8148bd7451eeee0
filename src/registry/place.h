// SPDX-License-Identifier: Apache-2.0
//
// Files of an artifact into a folder, under the names that its manifest gives them.
// A name is a stranger's: it may not lead out of the folder, neither by itself nor
// over a link that lies there already.
#ifndef JF_REGISTRY_PLACE_H
#define JF_REGISTRY_PLACE_H

#include <stddef.h>

#include "base/cancel.h"
#include "base/error.h"

#define JF_PLACE_NAME_MAX 1024

// Checks a relative name of "/"-separated parts: no empty one, no "." and "..", no
// control characters and backslashes. JF_PROTOCOL says what is wrong.
enum jf_code jf_place_check(const char *name, struct jf_error *err);

// Copies the file `from` to `name` below the folder `dir`, and makes folders on the
// way. `name` must not exist yet. What was read has to have the SHA-256 `sha256` (64
// lower-case digits): JF_CHECKSUM otherwise; then, as after any failure, `name` does
// not exist.
enum jf_code jf_place_copy(const char *from, const char *dir, const char *name, const char *sha256,
                           const struct jf_cancel *cancel, struct jf_error *err);

// As jf_place_copy, but the two are one file afterwards, and what is in it is not read:
// for a file of our own that is known to be right. JF_UNSUPPORTED where that cannot be
// done (another file system).
enum jf_code jf_place_link(const char *from, const char *dir, const char *name,
                           struct jf_error *err);

// Calls `put` with the open folder that holds `name` below the folder `dir`, made on the way, and
// with the last part of the name.
typedef enum jf_code jf_place_put(void *context, int folder, const char *last,
                                  struct jf_error *err);
enum jf_code jf_place_with(const char *dir, const char *name, jf_place_put *put, void *context,
                           struct jf_error *err);

#endif
