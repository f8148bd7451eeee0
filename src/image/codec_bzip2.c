// SPDX-License-Identifier: Apache-2.0
//
// bzip2 by libbz2.
#include "image/codec.h"

#include <bzlib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct bzip2 {
    bz_stream stream;
    bool open;
};

static bool bzip2_is_member(const unsigned char *head, size_t len) {
    return jf_codec_magic(head, len, "BZh", 3) && (len < 4 || (head[3] >= '1' && head[3] <= '9'));
}

static enum jf_code bzip2_open(const struct jf_decoder_options *options, void **ret_state,
                               struct jf_error *err) {
    (void)options;
    *ret_state = calloc(1, sizeof(struct bzip2));
    return *ret_state ? JF_OK : jf_fail(err, JF_LIMIT, "not enough memory");
}

static void end(struct bzip2 *bzip2) {
    if (bzip2->open)
        BZ2_bzDecompressEnd(&bzip2->stream);
    bzip2->open = false;
}

static enum jf_code bzip2_begin(void *state, const unsigned char *head, struct jf_error *err) {
    (void)head;
    struct bzip2 *bzip2 = state;
    end(bzip2);
    memset(&bzip2->stream, 0, sizeof bzip2->stream);
    if (BZ2_bzDecompressInit(&bzip2->stream, 0, 0) != BZ_OK)
        return jf_fail(err, JF_LIMIT, "bzip2: not enough memory");
    bzip2->open = true;
    return JF_OK;
}

static unsigned clamp(size_t len) {
    return len > UINT_MAX ? UINT_MAX : (unsigned)len;
}

static enum jf_code bzip2_step(void *state, struct jf_decoder_io *io, enum jf_step *ret_step,
                               struct jf_error *err) {
    bz_stream *stream = &((struct bzip2 *)state)->stream;
    const struct jf_decoder_io before = *io;
    const unsigned in_len = clamp(io->in_len);
    const unsigned out_len = clamp(io->out_len);
    stream->next_in = (char *)(uintptr_t)io->in; // the library reads only
    stream->avail_in = in_len;
    stream->next_out = (char *)io->out;
    stream->avail_out = out_len;
    int result = BZ2_bzDecompress(stream);
    io->in += in_len - stream->avail_in;
    io->in_len -= in_len - stream->avail_in;
    io->out += out_len - stream->avail_out;
    io->out_len -= out_len - stream->avail_out;
    if (result == BZ_MEM_ERROR)
        return jf_fail(err, JF_LIMIT, "bzip2: not enough memory");
    if (result != BZ_OK && result != BZ_STREAM_END)
        return jf_fail(err, JF_CHECKSUM, "a check value or the structure does not fit");
    *ret_step = result == BZ_STREAM_END ? JF_STEP_MEMBER_END : jf_codec_progress(&before, io);
    return JF_OK;
}

static void bzip2_close(void *state) {
    end(state);
    free(state);
}

const struct jf_codec jf_codec_bzip2 = {
    .name = "bzip2",
    .head_len = 4,
    .padding = JF_PADDING_NONE,
    .is_member = bzip2_is_member,
    .open = bzip2_open,
    .begin = bzip2_begin,
    .step = bzip2_step,
    .close = bzip2_close,
};
