// SPDX-License-Identifier: Apache-2.0
//
// What a decompressor has to offer to src/image/decoder.c. A codec decodes one
// member (gzip's word; xz says stream, zstd and lz4 say frame) at a time; the
// decoder puts members together and tells truncation and trailing junk.
#ifndef JF_IMAGE_CODEC_H
#define JF_IMAGE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "image/decoder.h"

enum jf_step {
    JF_STEP_MORE,       // call again, with whatever input and room there is
    JF_STEP_WAITING,    // as above, and no progress is no fault: threads are at work
    JF_STEP_STARVED,    // nothing can happen without more input
    JF_STEP_MEMBER_END, // the member is complete and all of it was given out
};

enum jf_padding {
    JF_PADDING_NONE,
    JF_PADDING_ZEROS,         // any number of zero bytes, at the end only
    JF_PADDING_ZEROS_BY_FOUR, // also between members
};

#define JF_MEMBER_HEAD_MAX 8

struct jf_codec {
    const char *name;
    size_t head_len; // bytes that is_member looks at
    enum jf_padding padding;
    // Whether the `len` (at most head_len) bytes can begin a member.
    bool (*is_member)(const unsigned char *head, size_t len);
    enum jf_code (*open)(const struct jf_decoder_options *options, void **ret_state,
                         struct jf_error *err);
    // Gets ready for a member that begins with the head_len bytes of `head`,
    // which step will see again.
    enum jf_code (*begin)(void *state, const unsigned char *head, struct jf_error *err);
    // Consumes and produces what it can. `io->in_end`: no input follows.
    enum jf_code (*step)(void *state, struct jf_decoder_io *io, enum jf_step *ret_step,
                         struct jf_error *err);
    void (*close)(void *state);
    // As jf_decoder_room, for data that begins with these bytes; NULL: 0.
    size_t (*room)(const unsigned char *head, size_t len);
};

extern const struct jf_codec jf_codec_xz;
extern const struct jf_codec jf_codec_gzip;
extern const struct jf_codec jf_codec_zstd;
extern const struct jf_codec jf_codec_bzip2;
extern const struct jf_codec jf_codec_lz4;

// Whether `head` agrees with the first bytes of `magic`.
bool jf_codec_magic(const unsigned char *head, size_t len, const char *magic, size_t magic_len);

// The mark of a frame that zstd and lz4 decoders skip.
bool jf_codec_skippable(const unsigned char *head, size_t len);

// For codecs that cannot tell "call again" from "feed me" by themselves.
enum jf_step jf_codec_progress(const struct jf_decoder_io *before,
                               const struct jf_decoder_io *after);

#endif
