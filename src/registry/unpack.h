// SPDX-License-Identifier: Apache-2.0
//
// A tar archive into a folder: a layer of a container's image, or of an artifact. Several
// go into one folder, each over those before it: what is there already is replaced, and
// whiteouts (OCI image specification 1.1, "Whiteouts") remove it.
#ifndef JF_REGISTRY_UNPACK_H
#define JF_REGISTRY_UNPACK_H

#include "registry/archive.h"

// Owners, times and modes are not taken over: files get 0600, folders 0700. JF_PROTOCOL
// for names and links that lead out of the folder, and for what is neither a file, a
// folder nor a link. JF_CHECKSUM as jf_archive_finish.
enum jf_code jf_unpack(const struct jf_archive_options *options, const char *dir,
                       struct jf_error *err);

#endif
