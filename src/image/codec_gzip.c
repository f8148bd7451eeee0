// SPDX-License-Identifier: Apache-2.0
//
// gzip by ISA-L, which decodes at twice zlib's speed.
#include "image/codec.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>

static bool gzip_is_member(const unsigned char *head, size_t len) {
    return jf_codec_magic(head, len, "\x1f\x8b\x08", 3);
}

static enum jf_code gzip_open(const struct jf_decoder_options *options, void **ret_state,
                              struct jf_error *err) {
    (void)options;
    *ret_state = malloc(sizeof(struct inflate_state));
    return *ret_state ? JF_OK : jf_fail(err, JF_LIMIT, "not enough memory");
}

static enum jf_code gzip_begin(void *state, const unsigned char *head, struct jf_error *err) {
    (void)head;
    (void)err;
    struct inflate_state *inflate = state;
    isal_inflate_init(inflate);
    inflate->crc_flag = ISAL_GZIP; // reads the header, checks CRC and length
    return JF_OK;
}

static enum jf_code failure(int result, struct jf_error *err) {
    switch (result) {
    case ISAL_INCORRECT_CHECKSUM:
        return jf_fail(err, JF_CHECKSUM, "its check value or length differs");
    case ISAL_UNSUPPORTED_METHOD:
        return jf_fail(err, JF_UNSUPPORTED, "gzip: another compression method than deflate");
    case ISAL_INVALID_WRAPPER:
        return jf_fail(err, JF_CHECKSUM, "its header is invalid");
    default:
        return jf_fail(err, JF_CHECKSUM, "invalid deflate data");
    }
}

static uint32_t clamp(size_t len) {
    return len > UINT32_MAX ? UINT32_MAX : (uint32_t)len;
}

static enum jf_code gzip_step(void *state, struct jf_decoder_io *io, enum jf_step *ret_step,
                              struct jf_error *err) {
    struct inflate_state *inflate = state;
    const struct jf_decoder_io before = *io;
    inflate->next_in = (uint8_t *)(uintptr_t)io->in; // only read
    inflate->avail_in = clamp(io->in_len);
    inflate->next_out = io->out;
    inflate->avail_out = clamp(io->out_len);
    int result = isal_inflate(inflate);
    io->in_len -= (size_t)(inflate->next_in - io->in);
    io->in = inflate->next_in;
    io->out_len -= (size_t)(inflate->next_out - io->out);
    io->out = inflate->next_out;
    if (result < 0)
        return failure(result, err);
    bool end = inflate->block_state == ISAL_BLOCK_FINISH;
    *ret_step = end ? JF_STEP_MEMBER_END : jf_codec_progress(&before, io);
    return JF_OK;
}

static void gzip_close(void *state) {
    free(state);
}

const struct jf_codec jf_codec_gzip = {
    .name = "gzip",
    .head_len = 3,
    .padding = JF_PADDING_ZEROS,
    .is_member = gzip_is_member,
    .open = gzip_open,
    .begin = gzip_begin,
    .step = gzip_step,
    .close = gzip_close,
};
