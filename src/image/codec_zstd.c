// SPDX-License-Identifier: Apache-2.0
//
// zstd by libzstd. The window of a frame is what memory it needs.
#include "image/codec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define MIB (UINT64_C(1) << 20)

struct zstd {
    ZSTD_DStream *stream;
    uint64_t memlimit_bytes;
    uint64_t window_bytes; // of the present frame; 0 when its header does not say
};

static bool zstd_is_member(const unsigned char *head, size_t len) {
    return jf_codec_magic(head, len, "\x28\xb5\x2f\xfd", 4) || jf_codec_skippable(head, len);
}

static void zstd_close(void *state) {
    struct zstd *zstd = state;
    ZSTD_freeDStream(zstd->stream);
    free(zstd);
}

static enum jf_code zstd_open(const struct jf_decoder_options *options, void **ret_state,
                              struct jf_error *err) {
    struct zstd *zstd = calloc(1, sizeof *zstd);
    if (zstd)
        zstd->stream = ZSTD_createDStream();
    if (!zstd || !zstd->stream) {
        free(zstd);
        return jf_fail(err, JF_LIMIT, "not enough memory");
    }
    zstd->memlimit_bytes = options->memlimit_bytes;
    ZSTD_bounds bounds = ZSTD_dParam_getBounds(ZSTD_d_windowLogMax);
    int log = bounds.lowerBound;
    while (log < bounds.upperBound && (UINT64_C(2) << log) <= options->memlimit_bytes)
        log++;
    ZSTD_DCtx_setParameter(zstd->stream, ZSTD_d_windowLogMax, log);
    *ret_state = zstd;
    return JF_OK;
}

// RFC 8878, section 3.1.1.1: behind the magic comes the descriptor; unless its
// bit 5 (single segment) is set, the next byte tells the window.
static uint64_t window_of(const unsigned char *head) {
    if (jf_codec_skippable(head, 4) || (head[4] & 0x20))
        return 0;
    uint64_t base = UINT64_C(1) << (10 + (head[5] >> 3));
    return base + base / 8 * (head[5] & 7);
}

static enum jf_code zstd_begin(void *state, const unsigned char *head, struct jf_error *err) {
    (void)err;
    struct zstd *zstd = state;
    zstd->window_bytes = window_of(head);
    ZSTD_DCtx_reset(zstd->stream, ZSTD_reset_session_only);
    return JF_OK;
}

static enum jf_code failure(const struct zstd *zstd, size_t result, struct jf_error *err) {
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_frameParameter_windowTooLarge:
        if (!zstd->window_bytes)
            return jf_fail(err, JF_LIMIT,
                           "zstd: decoding needs more memory than the limit of %" PRIu64 " MiB",
                           zstd->memlimit_bytes / MIB);
        return jf_fail(err, JF_LIMIT,
                       "zstd: decoding needs %" PRIu64
                       " MiB of memory for its window, the limit is %" PRIu64 " MiB",
                       (zstd->window_bytes + MIB - 1) / MIB, zstd->memlimit_bytes / MIB);
    case ZSTD_error_memory_allocation:
        return jf_fail(err, JF_LIMIT, "zstd: not enough memory");
    case ZSTD_error_dictionary_wrong:
        return jf_fail(err, JF_UNSUPPORTED, "zstd: the data was made with a dictionary");
    case ZSTD_error_frameParameter_unsupported:
        return jf_fail(err, JF_UNSUPPORTED, "zstd: %s", ZSTD_getErrorName(result));
    default:
        return jf_fail(err, JF_CHECKSUM, "%s", ZSTD_getErrorName(result));
    }
}

// Many calls that could not move are an error to libzstd; here more input or
// room may still come.
static bool only_idle(size_t result) {
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_noForwardProgress_destFull:
    case ZSTD_error_noForwardProgress_inputEmpty:
        return true;
    default:
        return false;
    }
}

static enum jf_code zstd_step(void *state, struct jf_decoder_io *io, enum jf_step *ret_step,
                              struct jf_error *err) {
    struct zstd *zstd = state;
    const struct jf_decoder_io before = *io;
    ZSTD_inBuffer in = {io->in, io->in_len, 0};
    ZSTD_outBuffer out = {io->out, io->out_len, 0};
    size_t result = ZSTD_decompressStream(zstd->stream, &out, &in);
    io->in += in.pos;
    io->in_len -= in.pos;
    io->out += out.pos;
    io->out_len -= out.pos;
    if (ZSTD_isError(result) && !only_idle(result))
        return failure(zstd, result, err);
    *ret_step = result == 0 ? JF_STEP_MEMBER_END : jf_codec_progress(&before, io);
    return JF_OK;
}

const struct jf_codec jf_codec_zstd = {
    .name = "zstd",
    .head_len = 6,
    .padding = JF_PADDING_NONE,
    .is_member = zstd_is_member,
    .open = zstd_open,
    .begin = zstd_begin,
    .step = zstd_step,
    .close = zstd_close,
};
