// SPDX-License-Identifier: Apache-2.0
//
// One file of a tar archive into a file of its own, as a download is: by a thread of
// its own, and to be read while it grows. The archive may still be on its way itself.
#ifndef JF_REGISTRY_MEMBER_H
#define JF_REGISTRY_MEMBER_H

#include "net/download.h"
#include "registry/archive.h"

// Whether a file is meant by a glob (fnmatch, where * spans no "/") for its whole name, or for
// the last part of that. NULL: every one is.
bool jf_member_fits(const char *pattern, const char *name);

struct jf_member_options {
    struct jf_archive_options archive; // `cancel` is not used: the last jf_download_unref ends it
    const char *pattern;               // which file; NULL: the only one there is
    const char *file;                  // where to
};

// Starts. The download fails with JF_PROTOCOL when no file fits, or several do: what it gave out
// until then was the first of them. The outcome's status is then 404, or 300.
enum jf_code jf_member_start(const struct jf_member_options *options,
                             struct jf_download **ret_download, struct jf_error *err);

#endif
