// SPDX-License-Identifier: Apache-2.0
//
// A tar archive, plain or in gzip or zstd, read from start to end in bounded memory.
// What stands in it is a stranger's: names are checked, and what it may unpack to is
// limited.
#ifndef JF_REGISTRY_ARCHIVE_H
#define JF_REGISTRY_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "image/growing.h"

struct jf_archive;

struct jf_archive_options {
    const char *name;          // for messages
    const char *path;          // the file; NULL: `growing`
    struct jf_growing growing; // takes a reference to its owner
    const char *sha256;        // what the source must have; NULL: others see to that
    uint64_t limit_bytes;      // all that it unpacks to
    const struct jf_cancel *cancel;
};

enum jf_archive_kind {
    JF_ARCHIVE_FILE,
    JF_ARCHIVE_FOLDER,
    JF_ARCHIVE_SYMLINK,
    JF_ARCHIVE_HARDLINK, // to an earlier entry
    JF_ARCHIVE_OTHER,    // a device, a FIFO, a socket
};

struct jf_archive_entry {
    enum jf_archive_kind kind;
    const char *name; // relative, as jf_place_check wants it; "" is the root; until the next entry
    const char *target; // of a link, as it is written
    uint64_t size;      // of a file
};

// Loads libarchive: JF_UNSUPPORTED when it is not there. The caller owns the archive,
// and closes it with jf_archive_close, which accepts NULL.
enum jf_code jf_archive_open(const struct jf_archive_options *options,
                             struct jf_archive **ret_archive, struct jf_error *err);
void jf_archive_close(struct jf_archive *archive);

// The next entry; *ret_end is true behind the last. Content of the one before that was not read is
// passed over. JF_PROTOCOL for a name that leads out and for damage, JF_LIMIT for too much.
enum jf_code jf_archive_next(struct jf_archive *archive, struct jf_archive_entry *ret_entry,
                             bool *ret_end, struct jf_error *err);

// Up to `len` bytes of the entry's content; *ret_len is 0 at its end.
enum jf_code jf_archive_read(struct jf_archive *archive, void *bytes, size_t len, size_t *ret_len,
                             struct jf_error *err);

// Reads what the source has behind the archive's end. JF_CHECKSUM when all of it has not
// the digest that it must have.
enum jf_code jf_archive_finish(struct jf_archive *archive, struct jf_error *err);

#endif
