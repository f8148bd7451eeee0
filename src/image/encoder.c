// SPDX-License-Identifier: Apache-2.0
//
// xz by liblzma and zstd by libzstd, both with threads of their own; gzip by isa-l.
#include "image/encoder.h"

#include <inttypes.h>
#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <stdlib.h>
#include <zstd.h>

#define XZ_PRESET 1
#define ZSTD_LEVEL 3

// How long a call waits for liblzma's threads before it returns, so that its
// caller sees a cancellation.
#define TIMEOUT_MS 50

// A compressor's part. `open` makes the state, `run` is jf_encoder_run.
struct kind {
    enum jf_code (*open)(unsigned threads, void **ret_state, struct jf_error *err);
    enum jf_code (*run)(void *state, struct jf_encoder_io *io, bool *ret_end, struct jf_error *err);
    void (*close)(void *state);
};

struct jf_encoder {
    const struct kind *kind;
    void *state;
};

static enum jf_code no_memory(struct jf_error *err) {
    return jf_fail(err, JF_LIMIT, "not enough memory to compress");
}

static enum jf_code xz_open(unsigned threads, void **ret_state, struct jf_error *err) {
    lzma_stream *xz = calloc(1, sizeof *xz);
    if (!xz)
        return no_memory(err);
    lzma_mt options = {
        .threads = threads,
        .timeout = TIMEOUT_MS,
        .preset = XZ_PRESET,
        .check = LZMA_CHECK_CRC64,
    };
    lzma_ret result = lzma_stream_encoder_mt(xz, &options);
    if (result == LZMA_OK) {
        *ret_state = xz;
        return JF_OK;
    }
    free(xz);
    return result == LZMA_MEM_ERROR ? no_memory(err)
                                    : jf_fail(err, JF_UNSUPPORTED, "xz: liblzma refused the setup");
}

static enum jf_code xz_run(void *state, struct jf_encoder_io *io, bool *ret_end,
                           struct jf_error *err) {
    lzma_stream *xz = state;
    xz->next_in = io->in;
    xz->avail_in = io->in_len;
    xz->next_out = io->out;
    xz->avail_out = io->out_len;
    lzma_ret result = lzma_code(xz, io->in_end ? LZMA_FINISH : LZMA_RUN);
    io->in = xz->next_in;
    io->in_len = xz->avail_in;
    io->out = xz->next_out;
    io->out_len = xz->avail_out;
    *ret_end = result == LZMA_STREAM_END;
    // LZMA_BUF_ERROR: nothing to do without more input.
    if (result == LZMA_OK || result == LZMA_STREAM_END || result == LZMA_BUF_ERROR)
        return JF_OK;
    return result == LZMA_MEM_ERROR ? no_memory(err)
                                    : jf_fail(err, JF_UNSUPPORTED, "xz: liblzma says %d", result);
}

static void xz_close(void *state) {
    lzma_end(state);
    free(state);
}

static enum jf_code zstd_open(unsigned threads, void **ret_state, struct jf_error *err) {
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    if (!zstd)
        return no_memory(err);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    // A library without threads refuses, and compresses in the caller's.
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_nbWorkers, (int)threads);
    *ret_state = zstd;
    return JF_OK;
}

static enum jf_code zstd_run(void *state, struct jf_encoder_io *io, bool *ret_end,
                             struct jf_error *err) {
    ZSTD_inBuffer in = {io->in, io->in_len, 0};
    ZSTD_outBuffer out = {io->out, io->out_len, 0};
    size_t left = ZSTD_compressStream2(state, &out, &in, io->in_end ? ZSTD_e_end : ZSTD_e_continue);
    io->in += in.pos;
    io->in_len -= in.pos;
    io->out += out.pos;
    io->out_len -= out.pos;
    *ret_end = io->in_end && io->in_len == 0 && left == 0;
    if (ZSTD_isError(left))
        return jf_fail(err, JF_LIMIT, "zstd: %s", ZSTD_getErrorName(left));
    return JF_OK;
}

static void zstd_close(void *state) {
    ZSTD_freeCCtx(state);
}

struct gzip {
    struct isal_zstream stream;
    uint8_t level_buffer[ISAL_DEF_LVL1_DEFAULT];
};

static enum jf_code gzip_open(unsigned threads, void **ret_state, struct jf_error *err) {
    (void)threads;
    struct gzip *gzip = calloc(1, sizeof *gzip);
    if (!gzip)
        return no_memory(err);
    isal_deflate_init(&gzip->stream);
    gzip->stream.level = 1;
    gzip->stream.level_buf = gzip->level_buffer;
    gzip->stream.level_buf_size = sizeof gzip->level_buffer;
    gzip->stream.gzip_flag = IGZIP_GZIP;
    *ret_state = gzip;
    return JF_OK;
}

static uint32_t at_most_32_bits(size_t len) {
    return len < UINT32_MAX ? (uint32_t)len : UINT32_MAX;
}

static enum jf_code gzip_run(void *state, struct jf_encoder_io *io, bool *ret_end,
                             struct jf_error *err) {
    struct isal_zstream *stream = &((struct gzip *)state)->stream;
    uint32_t in_len = at_most_32_bits(io->in_len);
    uint32_t out_len = at_most_32_bits(io->out_len);
    stream->next_in = (uint8_t *)io->in; // isa-l only reads it
    stream->avail_in = in_len;
    stream->next_out = io->out;
    stream->avail_out = out_len;
    stream->end_of_stream = io->in_end && in_len == io->in_len;
    int result = isal_deflate(stream);
    io->in += in_len - stream->avail_in;
    io->in_len -= in_len - stream->avail_in;
    io->out += out_len - stream->avail_out;
    io->out_len -= out_len - stream->avail_out;
    *ret_end = stream->internal_state.state == ZSTATE_END;
    return result == COMP_OK ? JF_OK : jf_fail(err, JF_UNSUPPORTED, "gzip: isa-l says %d", result);
}

static const struct kind *kind_of(enum jf_format format) {
    static const struct kind xz = {xz_open, xz_run, xz_close};
    static const struct kind zstd = {zstd_open, zstd_run, zstd_close};
    static const struct kind gzip = {gzip_open, gzip_run, free};
    switch (format) {
    case JF_FORMAT_XZ:
        return &xz;
    case JF_FORMAT_ZSTD:
        return &zstd;
    case JF_FORMAT_GZIP:
        return &gzip;
    default:
        return NULL;
    }
}

bool jf_encoder_knows(enum jf_format format) {
    return kind_of(format) != NULL;
}

enum jf_code jf_encoder_new(enum jf_format format, unsigned threads,
                            struct jf_encoder **ret_encoder, struct jf_error *err) {
    struct jf_encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder)
        return no_memory(err);
    encoder->kind = kind_of(format);
    enum jf_code code = encoder->kind->open(threads > 0 ? threads : 1, &encoder->state, err);
    if (code == JF_OK)
        *ret_encoder = encoder;
    else
        free(encoder);
    return code;
}

void jf_encoder_free(struct jf_encoder *encoder) {
    if (!encoder)
        return;
    encoder->kind->close(encoder->state);
    free(encoder);
}

enum jf_code jf_encoder_run(struct jf_encoder *encoder, struct jf_encoder_io *io, bool *ret_end,
                            struct jf_error *err) {
    return encoder->kind->run(encoder->state, io, ret_end, err);
}
