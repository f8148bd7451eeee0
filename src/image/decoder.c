// SPDX-License-Identifier: Apache-2.0
#include "image/decoder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "image/codec.h"

enum phase {
    PHASE_BETWEEN, // before a member, or behind the last
    PHASE_MEMBER,
};

struct jf_decoder {
    const struct jf_codec *codec; // NULL: raw
    void *state;
    enum phase phase;
    unsigned char head[JF_MEMBER_HEAD_MAX];
    size_t head_len;
    uint64_t members; // finished ones
    uint64_t padding; // bytes of it since the last member
    uint64_t bytes_in;
    uint64_t bytes_out;
};

bool jf_codec_magic(const unsigned char *head, size_t len, const char *magic, size_t magic_len) {
    return memcmp(head, magic, len < magic_len ? len : magic_len) == 0;
}

bool jf_codec_skippable(const unsigned char *head, size_t len) {
    return len > 0 && (head[0] & 0xf0) == 0x50 &&
           jf_codec_magic(head + 1, len - 1, "\x2a\x4d\x18", 3);
}

enum jf_step jf_codec_progress(const struct jf_decoder_io *before,
                               const struct jf_decoder_io *after) {
    bool moved = before->in_len != after->in_len || before->out_len != after->out_len;
    return moved || after->in_len ? JF_STEP_MORE : JF_STEP_STARVED;
}

static const struct jf_codec *codec_of(enum jf_format format) {
    switch (format) {
    case JF_FORMAT_XZ:
        return &jf_codec_xz;
    case JF_FORMAT_GZIP:
        return &jf_codec_gzip;
    case JF_FORMAT_ZSTD:
        return &jf_codec_zstd;
    case JF_FORMAT_BZIP2:
        return &jf_codec_bzip2;
    case JF_FORMAT_LZ4:
        return &jf_codec_lz4;
    default:
        return NULL;
    }
}

size_t jf_decoder_room(enum jf_format format, const unsigned char *head, size_t len) {
    const struct jf_codec *codec = codec_of(format);
    return codec && codec->room ? codec->room(head, len) : 0;
}

enum jf_code jf_decoder_new(const struct jf_decoder_options *options,
                            struct jf_decoder **ret_decoder, struct jf_error *err) {
    struct jf_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    decoder->codec = codec_of(options->format);
    enum jf_code code =
        decoder->codec ? decoder->codec->open(options, &decoder->state, err) : JF_OK;
    if (code != JF_OK) {
        free(decoder);
        return code;
    }
    *ret_decoder = decoder;
    return JF_OK;
}

void jf_decoder_free(struct jf_decoder *decoder) {
    if (!decoder)
        return;
    if (decoder->codec)
        decoder->codec->close(decoder->state);
    free(decoder);
}

static enum jf_code truncated(const struct jf_decoder *decoder, struct jf_error *err) {
    return jf_fail(err, JF_CLOSED,
                   "truncated: the %s data ends early, after %" PRIu64 " bytes (%" PRIu64
                   " decoded)",
                   decoder->codec->name, decoder->bytes_in, decoder->bytes_out);
}

static enum jf_code not_a_member(const struct jf_decoder *decoder, struct jf_error *err) {
    const char *name = decoder->codec->name;
    uint64_t at = decoder->bytes_in - decoder->head_len;
    if (decoder->members == 0)
        return jf_fail(err, JF_PROTOCOL, "does not begin as %s data does", name);
    return jf_fail(err, JF_PROTOCOL,
                   "trailing junk: something else follows the end of the %s data at byte %" PRIu64,
                   name, at);
}

static bool is_padding(const struct jf_decoder *decoder, unsigned char byte) {
    return decoder->codec->padding != JF_PADDING_NONE && decoder->members > 0 && byte == 0 &&
           decoder->head_len == 0;
}

// Takes padding and the first bytes of a member; true when these are complete.
static bool gather_head(struct jf_decoder *decoder, struct jf_decoder_io *io) {
    while (io->in_len && decoder->head_len < decoder->codec->head_len) {
        if (is_padding(decoder, *io->in))
            decoder->padding++;
        else
            decoder->head[decoder->head_len++] = *io->in;
        io->in++;
        io->in_len--;
        decoder->bytes_in++;
    }
    return decoder->head_len == decoder->codec->head_len;
}

static enum jf_code check_padding(const struct jf_decoder *decoder, struct jf_error *err) {
    if (decoder->codec->padding == JF_PADDING_ZEROS_BY_FOUR && decoder->padding % 4 != 0)
        return jf_fail(err, JF_PROTOCOL,
                       "trailing junk: %" PRIu64 " zero bytes follow the %s data at byte %" PRIu64
                       ", which is not a multiple of four",
                       decoder->padding, decoder->codec->name,
                       decoder->bytes_in - decoder->head_len - decoder->padding);
    return JF_OK;
}

// The input ended between members.
static enum jf_code finish(const struct jf_decoder *decoder, bool *ret_end, struct jf_error *err) {
    if (decoder->head_len > 0) {
        bool begun = decoder->codec->is_member(decoder->head, decoder->head_len);
        return begun ? truncated(decoder, err) : not_a_member(decoder, err);
    }
    if (decoder->members == 0)
        return truncated(decoder, err);
    enum jf_code code = check_padding(decoder, err);
    *ret_end = code == JF_OK;
    return code;
}

static enum jf_code step(struct jf_decoder *decoder, struct jf_decoder_io *io,
                         enum jf_step *ret_step, struct jf_error *err) {
    size_t in_before = io->in_len;
    size_t out_before = io->out_len;
    enum jf_code code = decoder->codec->step(decoder->state, io, ret_step, err);
    decoder->bytes_in += in_before - io->in_len;
    decoder->bytes_out += out_before - io->out_len;
    if (code == JF_CHECKSUM)
        return jf_prefix(
            err, "damaged: the %s data is wrong near byte %" PRIu64 " (%" PRIu64 " decoded)",
            decoder->codec->name, decoder->bytes_in, decoder->bytes_out);
    return code;
}

// A decompressor that neither takes nor gives would be called for ever.
static enum jf_code no_progress(const struct jf_decoder *decoder, struct jf_error *err) {
    return jf_fail(err, JF_CHECKSUM,
                   "damaged: the %s data cannot be decoded any further at byte %" PRIu64,
                   decoder->codec->name, decoder->bytes_in);
}

// Starts a member with the head that was gathered. A codec takes in its head
// without giving anything out, so that it needs no room.
static enum jf_code begin(struct jf_decoder *decoder, struct jf_error *err) {
    bool zeros_end = decoder->codec->padding == JF_PADDING_ZEROS && decoder->padding > 0;
    if (zeros_end || !decoder->codec->is_member(decoder->head, decoder->head_len))
        return not_a_member(decoder, err);
    enum jf_code code = check_padding(decoder, err);
    if (code == JF_OK)
        code = decoder->codec->begin(decoder->state, decoder->head, err);
    unsigned char none;
    struct jf_decoder_io io = {
        .in = decoder->head, .in_len = decoder->head_len, .out = &none, .out_len = 0};
    decoder->bytes_in -= decoder->head_len; // step counts them
    for (size_t left = 0; code == JF_OK && io.in_len && io.in_len != left;) {
        enum jf_step next;
        left = io.in_len;
        code = step(decoder, &io, &next, err);
    }
    if (code == JF_OK && io.in_len)
        return no_progress(decoder, err);
    decoder->head_len = 0;
    decoder->padding = 0;
    decoder->phase = PHASE_MEMBER;
    return code;
}

static enum jf_code run_between(struct jf_decoder *decoder, struct jf_decoder_io *io, bool *ret_end,
                                bool *ret_stop, struct jf_error *err) {
    if (gather_head(decoder, io))
        return begin(decoder, err);
    *ret_stop = true;
    return io->in_end ? finish(decoder, ret_end, err) : JF_OK;
}

static enum jf_code run_member(struct jf_decoder *decoder, struct jf_decoder_io *io, bool *ret_stop,
                               struct jf_error *err) {
    enum jf_step next = JF_STEP_MORE;
    const struct jf_decoder_io before = *io;
    enum jf_code code = step(decoder, io, &next, err);
    if (code != JF_OK)
        return code;
    if (next == JF_STEP_MEMBER_END) {
        decoder->members++;
        decoder->phase = PHASE_BETWEEN;
        return JF_OK;
    }
    if (next == JF_STEP_STARVED && io->in_end && io->out_len)
        return truncated(decoder, err);
    *ret_stop = io->in_len == 0 || io->out_len == 0 || next == JF_STEP_WAITING;
    bool stuck = io->in_len == before.in_len && io->out_len == before.out_len;
    return stuck && !*ret_stop ? no_progress(decoder, err) : JF_OK;
}

static enum jf_code run_raw(struct jf_decoder_io *io, bool *ret_end) {
    size_t len = io->in_len < io->out_len ? io->in_len : io->out_len;
    if (len)
        memcpy(io->out, io->in, len);
    io->in += len;
    io->in_len -= len;
    io->out += len;
    io->out_len -= len;
    *ret_end = io->in_end && io->in_len == 0;
    return JF_OK;
}

enum jf_code jf_decoder_run(struct jf_decoder *decoder, struct jf_decoder_io *io, bool *ret_end,
                            struct jf_error *err) {
    *ret_end = false;
    if (!decoder->codec)
        return run_raw(io, ret_end);
    enum jf_code code = JF_OK;
    for (bool stop = false; code == JF_OK && !stop && !*ret_end;) {
        if (decoder->phase == PHASE_BETWEEN)
            code = run_between(decoder, io, ret_end, &stop, err);
        else
            code = run_member(decoder, io, &stop, err);
    }
    return code;
}
