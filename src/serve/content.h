// SPDX-License-Identifier: Apache-2.0
//
// What a server hands out: an immutable sequence of bytes, either a regular file
// or bytes in memory. Counted references, safe from any thread.
#ifndef JF_SERVE_CONTENT_H
#define JF_SERVE_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct jf_content;

// Opens the regular file `path` and remembers its identity, size and time of
// change. On success the caller owns one reference. JF_IO when it cannot be
// opened, JF_UNSUPPORTED when it is no regular file.
enum jf_code jf_content_open_file(const char *path, struct jf_content **ret_content,
                                  struct jf_error *err);

// A copy of `len` bytes. The caller owns one reference; NULL when memory is out.
struct jf_content *jf_content_from_bytes(const void *bytes, size_t len);

// Returns `content`, with one more reference for the caller to give back.
struct jf_content *jf_content_ref(struct jf_content *content);

// Gives back one reference; the last one closes. Accepts NULL.
void jf_content_unref(struct jf_content *content);

// Size in bytes, as it was when opened.
uint64_t jf_content_size(const struct jf_content *content);

// The file's descriptor, for sendfile(2), or -1 for bytes in memory. It stays the
// content's: use pread-like calls only, and never close it.
int jf_content_fd(const struct jf_content *content);

// Reads exactly `len` bytes at `offset`, which must lie inside the size. JF_CLOSED
// when the file has become shorter, JF_IO when it cannot be read.
enum jf_code jf_content_pread(const struct jf_content *content, void *bytes, size_t len,
                              uint64_t offset, struct jf_error *err);

// JF_OK while the file is what was opened; JF_CHECKSUM when its size or its time
// of change differs now.
enum jf_code jf_content_check(const struct jf_content *content, struct jf_error *err);

#endif
