// SPDX-License-Identifier: Apache-2.0
//
// Turns plain bytes into compressed ones: one member (xz stream, zstd frame,
// gzip member) per encoder, so that members can be put behind one another. Does
// no I/O: bytes are fed and taken. The levels are fast ones: a dump should wait
// for the board, not for this host.
#ifndef JF_IMAGE_ENCODER_H
#define JF_IMAGE_ENCODER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "image/format.h"

struct jf_encoder_io {
    const unsigned char *in; // advanced past what was consumed
    size_t in_len;
    bool in_end;        // nothing follows `in`; once set it stays set
    unsigned char *out; // advanced past what was produced
    size_t out_len;
};

struct jf_encoder;

// Whether there is an encoder for the format: xz, zstd and gzip.
bool jf_encoder_knows(enum jf_format format);

// `format` is one that jf_encoder_knows; xz and zstd use up to `threads` threads.
// Free with jf_encoder_free, which accepts NULL.
enum jf_code jf_encoder_new(enum jf_format format, unsigned threads,
                            struct jf_encoder **ret_encoder, struct jf_error *err);
void jf_encoder_free(struct jf_encoder *encoder);

// Encodes until the input is used up or the room is full; *ret_end is true when
// `io->in_end` and all output was given. It may return without progress when
// other threads still work: call again.
enum jf_code jf_encoder_run(struct jf_encoder *encoder, struct jf_encoder_io *io, bool *ret_end,
                            struct jf_error *err);

#endif
