// SPDX-License-Identifier: Apache-2.0
//
// A file that a client sends: written beside its final name and renamed when it is
// complete, so that the final name never shows half a file.
#ifndef JF_SERVE_TFTP_UPLOAD_H
#define JF_SERVE_TFTP_UPLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

struct jf_tftp_upload {
    int fd; // -1 in a closed upload
    char *path;
    char *temporary; // NULL when there is nothing to remove
    uint64_t limit;  // bytes
    uint64_t size;   // bytes so far
    bool netascii;
    bool cr; // netascii: the previous block ended with a CR
    struct jf_digest *digest;
};

// Starts an empty file, readable by its owner only. Whatever happens,
// jf_tftp_upload_close frees it.
enum jf_code jf_tftp_upload_open(struct jf_tftp_upload *upload, const char *path,
                                 uint64_t limit_bytes, bool netascii, struct jf_error *err);

// Appends one block; JF_LIMIT when the file would become too large.
enum jf_code jf_tftp_upload_write(struct jf_tftp_upload *upload, const uint8_t *bytes, size_t len,
                                  struct jf_error *err);

// The file is complete: gives it its name and returns the SHA-256 of its bytes.
enum jf_code jf_tftp_upload_commit(struct jf_tftp_upload *upload,
                                   char ret_sha256[JF_SHA256_HEX_SIZE], struct jf_error *err);

// Removes what was not committed. Accepts a closed upload.
void jf_tftp_upload_close(struct jf_tftp_upload *upload);

#endif
