// SPDX-License-Identifier: Apache-2.0
//
// lz4's frame format by liblz4.
#include "image/codec.h"

#include <lz4frame.h>
#include <stdlib.h>

static bool lz4_is_member(const unsigned char *head, size_t len) {
    return jf_codec_magic(head, len, "\x04\x22\x4d\x18", 4) || jf_codec_skippable(head, len);
}

static enum jf_code lz4_open(const struct jf_decoder_options *options, void **ret_state,
                             struct jf_error *err) {
    (void)options;
    LZ4F_dctx *context = NULL;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return jf_fail(err, JF_LIMIT, "not enough memory");
    *ret_state = context;
    return JF_OK;
}

static enum jf_code lz4_begin(void *state, const unsigned char *head, struct jf_error *err) {
    (void)head;
    (void)err;
    LZ4F_resetDecompressionContext(state);
    return JF_OK;
}

static enum jf_code lz4_step(void *state, struct jf_decoder_io *io, enum jf_step *ret_step,
                             struct jf_error *err) {
    const struct jf_decoder_io before = *io;
    size_t in_len = io->in_len;
    size_t out_len = io->out_len;
    size_t result = LZ4F_decompress(state, io->out, &out_len, io->in, &in_len, NULL);
    if (LZ4F_isError(result))
        return jf_fail(err, JF_CHECKSUM, "%s", LZ4F_getErrorName(result));
    io->in += in_len;
    io->in_len -= in_len;
    io->out += out_len;
    io->out_len -= out_len;
    *ret_step = result == 0 ? JF_STEP_MEMBER_END : jf_codec_progress(&before, io);
    return JF_OK;
}

// A frame descriptor's second byte tells the size of its blocks: 64 KiB for 4, each
// next code four times as much. What has room for a whole block is decoded in place.
static size_t lz4_room(const unsigned char *head, size_t len) {
    if (len < 6 || jf_codec_skippable(head, len))
        return 0;
    unsigned code = head[5] >> 4 & 7;
    return code < 4 ? 0 : (size_t)64 << 10 << 2 * (code - 4);
}

static void lz4_close(void *state) {
    LZ4F_freeDecompressionContext(state);
}

const struct jf_codec jf_codec_lz4 = {
    .name = "lz4",
    .head_len = 4,
    .padding = JF_PADDING_NONE,
    .is_member = lz4_is_member,
    .open = lz4_open,
    .begin = lz4_begin,
    .step = lz4_step,
    .close = lz4_close,
    .room = lz4_room,
};
