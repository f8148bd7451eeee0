// SPDX-License-Identifier: Apache-2.0
//
// Whole-file operations. Messages name the file and what was tried.
#ifndef JF_SYS_FILES_H
#define JF_SYS_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

// Makes a directory; one that exists is JF_OK with `parents` (which also makes
// the directories above) and JF_IO without.
enum jf_code jf_file_mkdir(const char *path, bool parents, mode_t mode, struct jf_error *err);

// Appends the file's content to `out`; JF_LIMIT when it has more than `limit`
// bytes. Deadline and cancellation matter for what is no regular file.
enum jf_code jf_file_read(const char *path, size_t limit, jf_deadline deadline,
                          const struct jf_cancel *cancel, struct jf_buf *out, struct jf_error *err);

// Replaces (or makes) the file in one step: whoever opens it sees the old or the
// new content whole, also after a power cut. A symbolic link is replaced; what
// exists and is no regular file is refused.
enum jf_code jf_file_write(const char *path, const void *bytes, size_t len, mode_t mode,
                           struct jf_error *err);

// Appends the names in a directory, each with a NUL behind it, in no order.
enum jf_code jf_file_list(const char *path, struct jf_buf *out, struct jf_error *err);

// Makes a new file of `size` bytes that takes no space; fails when it exists.
enum jf_code jf_file_make_sparse(const char *path, uint64_t size, struct jf_error *err);

// Removes a file, or a directory with all below it. Follows no symbolic link,
// and does not cross into another file system. JF_OK when there is nothing.
enum jf_code jf_file_remove_tree(const char *path, struct jf_error *err);

// Bytes that we may still write on the file system that holds `path`.
enum jf_code jf_file_free_bytes(const char *path, uint64_t *ret_bytes, struct jf_error *err);

// Makes a directory that only we may enter; `path` ends in XXXXXX, which is
// replaced.
enum jf_code jf_file_temp_dir(char *path, struct jf_error *err);

#endif
