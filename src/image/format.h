// SPDX-License-Identifier: Apache-2.0
//
// What kind of data an image is, told by its first bytes and never by its name.
// A format is either written as it is (raw), decoded here, or refused: then its
// description says what it is and its hint how to turn it into an image.
#ifndef JF_IMAGE_FORMAT_H
#define JF_IMAGE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum jf_format {
    JF_FORMAT_AUTO = 0, // not told yet: look at the bytes
    JF_FORMAT_RAW,
    JF_FORMAT_XZ,
    JF_FORMAT_GZIP,
    JF_FORMAT_ZSTD,
    JF_FORMAT_BZIP2,
    JF_FORMAT_LZ4,
    // From here on: refused.
    JF_FORMAT_ANDROID_SPARSE,
    JF_FORMAT_QCOW2,
    JF_FORMAT_VMDK,
    JF_FORMAT_VHDX,
    JF_FORMAT_VHD,
    JF_FORMAT_VDI,
    JF_FORMAT_TAR,
    JF_FORMAT_CPIO,
    JF_FORMAT_AR,
    JF_FORMAT_ZIP,
    JF_FORMAT_7Z,
    JF_FORMAT_RAR,
    JF_FORMAT_LZIP,
    JF_FORMAT_LZMA,
    JF_FORMAT_LZOP,
    JF_FORMAT_COMPRESS,
    JF_FORMAT_LZ4_LEGACY,
    JF_FORMAT_HTML,
    JF_FORMAT_XML,
    JF_FORMAT_COUNT,
};

// As many first bytes as detection ever looks at; fewer are fine at the end of the data.
#define JF_FORMAT_HEAD_SIZE 1024

// The format of data that begins with these bytes; JF_FORMAT_RAW when nothing is
// recognised.
enum jf_format jf_format_detect(const void *head, size_t len);

// The name that scripts see ("xz", "android-sparse"), and the format of a name;
// JF_FORMAT_AUTO when there is none of that name.
const char *jf_format_name(enum jf_format format);
enum jf_format jf_format_of_name(const char *name);

// Whether data of this format is decoded here, or written as it is.
bool jf_format_accepted(enum jf_format format);

#define JF_HINT_SIZE 512

// JF_OK when data of format `outer` that holds data of format `inner`
// (JF_FORMAT_AUTO: not known yet) can be written. Else JF_UNSUPPORTED, and
// ret_hint (JF_HINT_SIZE bytes, may be NULL) tells how to convert the file `name`.
enum jf_code jf_format_check(enum jf_format outer, enum jf_format inner, const char *name,
                             char *ret_hint, struct jf_error *err);

#endif
