// SPDX-License-Identifier: Apache-2.0
//
// gzip by zlib.
#include "image/codec.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define GZIP_ONLY (16 + MAX_WBITS) // inflateInit2: no zlib header

static bool gzip_is_member(const unsigned char *head, size_t len) {
    return jf_codec_magic(head, len, "\x1f\x8b\x08", 3);
}

static enum jf_code gzip_open(const struct jf_decoder_options *options, void **ret_state,
                              struct jf_error *err) {
    (void)options;
    z_stream *stream = calloc(1, sizeof *stream);
    if (!stream || inflateInit2(stream, GZIP_ONLY) != Z_OK) {
        free(stream);
        return jf_fail(err, JF_LIMIT, "not enough memory");
    }
    *ret_state = stream;
    return JF_OK;
}

static enum jf_code gzip_begin(void *state, const unsigned char *head, struct jf_error *err) {
    (void)head;
    (void)err;
    inflateReset(state);
    return JF_OK;
}

static uInt clamp(size_t len) {
    return len > UINT32_MAX ? UINT32_MAX : (uInt)len;
}

static enum jf_code gzip_step(void *state, struct jf_decoder_io *io, enum jf_step *ret_step,
                              struct jf_error *err) {
    z_stream *stream = state;
    const struct jf_decoder_io before = *io;
    stream->next_in = (Bytef *)(uintptr_t)io->in; // zlib reads only
    stream->avail_in = clamp(io->in_len);
    stream->next_out = io->out;
    stream->avail_out = clamp(io->out_len);
    int result = inflate(stream, Z_NO_FLUSH);
    io->in_len -= (size_t)(stream->next_in - io->in);
    io->in = stream->next_in;
    io->out_len -= (size_t)(stream->next_out - io->out);
    io->out = stream->next_out;
    if (result == Z_DATA_ERROR)
        return jf_fail(err, JF_CHECKSUM, "%s", stream->msg ? stream->msg : "data error");
    if (result == Z_MEM_ERROR)
        return jf_fail(err, JF_LIMIT, "gzip: not enough memory");
    *ret_step = result == Z_STREAM_END ? JF_STEP_MEMBER_END : jf_codec_progress(&before, io);
    return JF_OK;
}

static void gzip_close(void *state) {
    inflateEnd(state);
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
