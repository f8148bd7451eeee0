// SPDX-License-Identifier: Apache-2.0
//
// Where an image comes from: a regular file, a descriptor such as stdin, or a file
// that still arrives. A regular file may be read by several threads at once and is
// recognised when it is replaced or changed, and one that arrives may be read so
// too; anything else is read once, from start to end, except that what was read
// ahead is kept for the one who reads it.
#ifndef JF_IMAGE_SOURCE_H
#define JF_IMAGE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "image/growing.h"

struct jf_source;

// Opens a regular file. A FIFO is taken too and read once.
enum jf_code jf_source_open_file(const char *path, struct jf_source **ret_source,
                                 struct jf_error *err);

// Takes a duplicate of `fd`, from its present position on; `name` is for messages.
enum jf_code jf_source_open_fd(int fd, const char *name, struct jf_source **ret_source,
                               struct jf_error *err);

// What still arrives; takes a reference to its owner. Reading waits for it.
enum jf_code jf_source_open_growing(const struct jf_growing *growing, const char *name,
                                    struct jf_source **ret_source, struct jf_error *err);

// Sources are shared: each holder drops its own reference. Any thread.
struct jf_source *jf_source_ref(struct jf_source *source);
void jf_source_unref(struct jf_source *source); // accepts NULL

const char *jf_source_name(const struct jf_source *source);

// Whether it is a regular file: all of it is there, and its size is known.
bool jf_source_regular(const struct jf_source *source);

// Whether it can be read again, and by several.
bool jf_source_repeats(const struct jf_source *source);

// -1 when it is not known, or not yet.
int64_t jf_source_size(const struct jf_source *source);

// Reserves a source that can be read only once: JF_UNSUPPORTED the second time.
enum jf_code jf_source_claim(struct jf_source *source, struct jf_error *err);

struct jf_source_wait {
    jf_deadline deadline;
    const struct jf_cancel *cancel; // may be NULL
    bool keep;                      // read ahead: the same bytes can be read again
};

// Reads up to `len` bytes at `offset`; *ret_len is 0 at the end. What is not
// regular only goes forward from where it was read before (or from what was kept).
// JF_CLOSED when a regular file has become shorter.
enum jf_code jf_source_read(struct jf_source *source, uint64_t offset, void *bytes, size_t len,
                            const struct jf_source_wait *wait, size_t *ret_len,
                            struct jf_error *err);

// The first `len` bytes, or fewer when there are no more.
enum jf_code jf_source_peek(struct jf_source *source, void *bytes, size_t len,
                            const struct jf_source_wait *wait, size_t *ret_len,
                            struct jf_error *err);

// JF_OK when the file is still what was opened: device, inode, size, time of
// change of its content, and (for a path) the same file under that path. Else
// JF_IO. JF_OK for what is not regular.
enum jf_code jf_source_unchanged(const struct jf_source *source, struct jf_error *err);

#endif
