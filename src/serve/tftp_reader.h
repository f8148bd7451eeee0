// SPDX-License-Identifier: Apache-2.0
//
// A content as TFTP blocks: octet as it is, netascii with LF sent as CR LF and CR
// as CR NUL (RFC 764). Blocks may be asked for again, back to the mark.
#ifndef JF_SERVE_TFTP_READER_H
#define JF_SERVE_TFTP_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "serve/content.h"

// A place in the netascii form: the beginning of block `block`.
struct jf_tftp_place {
    uint64_t block;
    uint64_t offset; // of the next byte of the content
    int pending;     // second byte of a pair that the previous block cut, or -1
};

struct jf_tftp_reader {
    struct jf_content *content; // the reader holds a reference
    uint32_t blksize;
    bool netascii;
    struct jf_tftp_place place; // netascii only, as is `mark`
    struct jf_tftp_place mark;
    uint8_t *chunk; // small reads come out of this
    uint64_t chunk_at;
    size_t chunk_len;
};

// Takes a reference to `content`.
void jf_tftp_reader_open(struct jf_tftp_reader *reader, struct jf_content *content,
                         uint32_t blksize, bool netascii);
void jf_tftp_reader_close(struct jf_tftp_reader *reader);

// The number of the final block when it is known beforehand, else UINT64_MAX.
uint64_t jf_tftp_reader_last(const struct jf_tftp_reader *reader);

// Blocks before `block` will not be asked for again.
enum jf_code jf_tftp_reader_mark(struct jf_tftp_reader *reader, uint64_t block,
                                 struct jf_error *err);

// The block will be asked for next, alone: reads it now, while the client is busy
// with the one before. Errors show when it is asked for.
void jf_tftp_reader_prefetch(struct jf_tftp_reader *reader, uint64_t block);

// The bytes of `count` blocks from `first`. *ret_bytes points into `scratch` (room
// for count * blksize bytes) or the reader, until the next call. Fewer bytes than
// count * blksize mean that the end is among them.
enum jf_code jf_tftp_reader_read(struct jf_tftp_reader *reader, uint64_t first, uint64_t count,
                                 uint8_t *scratch, const uint8_t **ret_bytes, size_t *ret_len,
                                 struct jf_error *err);

#endif
