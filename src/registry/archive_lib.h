// SPDX-License-Identifier: Apache-2.0
//
// libarchive, loaded when the first archive is opened: it brings eight libraries with
// it, which a run without archives has no use for.
#ifndef JF_REGISTRY_ARCHIVE_LIB_H
#define JF_REGISTRY_ARCHIVE_LIB_H

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"

// The functions that are used, by their names without "archive_".
#define JF_ARCHIVE_FUNCTIONS(X)                                                                    \
    X(read_new)                                                                                    \
    X(read_free)                                                                                   \
    X(read_support_filter_gzip)                                                                    \
    X(read_support_filter_zstd)                                                                    \
    X(read_support_format_tar)                                                                     \
    X(read_support_format_gnutar)                                                                  \
    X(read_open)                                                                                   \
    X(read_next_header)                                                                            \
    X(read_data)                                                                                   \
    X(filter_bytes)                                                                                \
    X(error_string)                                                                                \
    X(set_error)                                                                                   \
    X(entry_pathname)                                                                              \
    X(entry_filetype)                                                                              \
    X(entry_size)                                                                                  \
    X(entry_symlink)                                                                               \
    X(entry_hardlink)

struct jf_archive_lib {
    void *library; // NULL: not loaded
#define JF_ARCHIVE_MEMBER(name) __typeof__(archive_##name) *(name);
    JF_ARCHIVE_FUNCTIONS(JF_ARCHIVE_MEMBER)
#undef JF_ARCHIVE_MEMBER
};

// Loads the library (again: the system counts). JF_UNSUPPORTED, with words about what
// to install, when it is not there. Any thread.
enum jf_code jf_archive_load(struct jf_archive_lib *lib, struct jf_error *err);
void jf_archive_unload(struct jf_archive_lib *lib); // accepts one that was not loaded

#endif
