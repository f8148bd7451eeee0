// SPDX-License-Identifier: Apache-2.0
//
// Turns compressed bytes into plain ones. Does no I/O: bytes are fed and taken.
// Data made of several members (concatenated streams or frames) is valid.
#ifndef JF_IMAGE_DECODER_H
#define JF_IMAGE_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "image/format.h"

struct jf_decoder_options {
    enum jf_format format;   // one that jf_format_accepted holds for
    unsigned threads;        // for xz; 0 and 1 both mean one
    uint64_t memlimit_bytes; // most memory that one decompressor may need
};

struct jf_decoder_io {
    const unsigned char *in; // advanced past what was consumed
    size_t in_len;
    bool in_end;        // nothing follows `in`; once set it stays set
    unsigned char *out; // advanced past what was produced
    size_t out_len;
};

// The room for output that saves a decompressor from copying what it decoded, for
// data that begins with the `len` bytes of `head`; 0 when it makes no difference.
size_t jf_decoder_room(enum jf_format format, const unsigned char *head, size_t len);

struct jf_decoder;

// Free with jf_decoder_free, which accepts NULL.
enum jf_code jf_decoder_new(const struct jf_decoder_options *options,
                            struct jf_decoder **ret_decoder, struct jf_error *err);
void jf_decoder_free(struct jf_decoder *decoder);

// Decodes until the input is used up, the room is full, or the data ends.
// *ret_end is true at the proper end, which is only known with `io->in_end`.
// It may return without progress when other threads still work: call again.
// Errors: JF_CLOSED the data ends early; JF_CHECKSUM it is damaged; JF_PROTOCOL
// it does not begin as its format does, or something else follows its end;
// JF_LIMIT it needs more memory than allowed; JF_UNSUPPORTED. After an error the
// decoder can only be freed.
enum jf_code jf_decoder_run(struct jf_decoder *decoder, struct jf_decoder_io *io, bool *ret_end,
                            struct jf_error *err);

#endif
