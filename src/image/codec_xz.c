// SPDX-License-Identifier: Apache-2.0
//
// xz by liblzma. Streams are decoded one by one, not with LZMA_CONCATENATED:
// that would report trailing junk as damaged data.
#include "image/codec.h"

#include <inttypes.h>
#include <lzma.h>
#include <stdlib.h>

#define MIB (UINT64_C(1) << 20)

// How long a call waits for liblzma's threads before it returns to see whether
// it was cancelled.
#define TIMEOUT_MS 50

// Memory for decoding blocks at once, per thread. A block of xz's default level
// takes its 24 MiB of output, its input and the dictionary; with less than that
// liblzma silently falls back to one thread.
#define THREAD_MEMORY (48 * MIB)

struct xz {
    lzma_stream stream;
    unsigned threads;
    uint64_t memlimit_bytes;
};

static bool xz_is_member(const unsigned char *head, size_t len) {
    return jf_codec_magic(head, len,
                          "\xfd"
                          "7zXZ\0",
                          6);
}

static enum jf_code xz_open(const struct jf_decoder_options *options, void **ret_state,
                            struct jf_error *err) {
    struct xz *xz = calloc(1, sizeof *xz);
    if (!xz)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    xz->threads = options->threads;
    xz->memlimit_bytes = options->memlimit_bytes;
    *ret_state = xz;
    return JF_OK;
}

// The threaded decoder does not tell what it would have needed (liblzma 5.4);
// a probe with one thread does.
static enum jf_code memlimit_reached(struct xz *xz, struct jf_error *err) {
    uint64_t need = lzma_memusage(&xz->stream);
    if (need <= xz->memlimit_bytes)
        return jf_fail(err, JF_LIMIT,
                       "xz: decoding needs more memory than the limit of %" PRIu64 " MiB",
                       xz->memlimit_bytes / MIB);
    return jf_fail(err, JF_LIMIT,
                   "xz: decoding needs %" PRIu64 " MiB of memory, the limit is %" PRIu64 " MiB",
                   (need + MIB - 1) / MIB, xz->memlimit_bytes / MIB);
}

static enum jf_code failure(struct xz *xz, lzma_ret result, struct jf_error *err) {
    switch (result) {
    case LZMA_MEM_ERROR:
        return jf_fail(err, JF_LIMIT, "xz: not enough memory");
    case LZMA_MEMLIMIT_ERROR:
        return memlimit_reached(xz, err);
    case LZMA_OPTIONS_ERROR:
        return jf_fail(err, JF_UNSUPPORTED,
                       "xz: the data uses a filter or an option that liblzma "
                       "does not know");
    case LZMA_UNSUPPORTED_CHECK:
        return jf_fail(err, JF_UNSUPPORTED,
                       "xz: the data is protected by a kind of check that "
                       "liblzma does not know");
    case LZMA_PROG_ERROR:
        return jf_fail(err, JF_UNSUPPORTED, "xz: liblzma refused the call");
    default:
        return jf_fail(err, JF_CHECKSUM, "a check value or the structure does not fit");
    }
}

static enum jf_code xz_begin(void *state, const unsigned char *head, struct jf_error *err) {
    (void)head;
    struct xz *xz = state;
    // Not LZMA_FAIL_FAST: with it truncated data is reported as damaged.
    const uint32_t flags = LZMA_TELL_UNSUPPORTED_CHECK;
    lzma_ret result;
    if (xz->threads > 1) {
        uint64_t threading = xz->threads * THREAD_MEMORY;
        lzma_mt options = {
            .flags = flags,
            .threads = xz->threads,
            .timeout = TIMEOUT_MS,
            .memlimit_threading = threading < xz->memlimit_bytes ? threading : xz->memlimit_bytes,
            .memlimit_stop = xz->memlimit_bytes,
        };
        result = lzma_stream_decoder_mt(&xz->stream, &options);
    } else {
        result = lzma_stream_decoder(&xz->stream, xz->memlimit_bytes, flags);
    }
    return result == LZMA_OK ? JF_OK : failure(xz, result, err);
}

static enum jf_code xz_step(void *state, struct jf_decoder_io *io, enum jf_step *ret_step,
                            struct jf_error *err) {
    struct xz *xz = state;
    const struct jf_decoder_io before = *io;
    xz->stream.next_in = io->in;
    xz->stream.avail_in = io->in_len;
    xz->stream.next_out = io->out;
    xz->stream.avail_out = io->out_len;
    // With LZMA_RUN and no input, liblzma would not wait for its threads.
    bool finish = io->in_end && !io->in_len;
    lzma_ret result = lzma_code(&xz->stream, finish ? LZMA_FINISH : LZMA_RUN);
    io->in = xz->stream.next_in;
    io->in_len = xz->stream.avail_in;
    io->out = xz->stream.next_out;
    io->out_len = xz->stream.avail_out;
    *ret_step = before.in_len == io->in_len && before.out_len == io->out_len ? JF_STEP_WAITING
                                                                             : JF_STEP_MORE;
    if (result == LZMA_OK)
        return JF_OK;
    *ret_step = result == LZMA_STREAM_END ? JF_STEP_MEMBER_END : JF_STEP_STARVED;
    if (result == LZMA_STREAM_END || result == LZMA_BUF_ERROR)
        return JF_OK;
    return failure(xz, result, err);
}

static void xz_close(void *state) {
    struct xz *xz = state;
    lzma_end(&xz->stream);
    free(xz);
}

const struct jf_codec jf_codec_xz = {
    .name = "xz",
    .head_len = 6,
    .padding = JF_PADDING_ZEROS_BY_FOUR,
    .is_member = xz_is_member,
    .open = xz_open,
    .begin = xz_begin,
    .step = xz_step,
    .close = xz_close,
};
