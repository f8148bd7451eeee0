// SPDX-License-Identifier: Apache-2.0
//
// Every decoder against data that the libraries' own encoders made: whole, in
// pieces, concatenated, cut at every byte, flipped at every byte, followed by junk.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bzlib.h>
#include <isa-l/igzip_lib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/buf.h"
#include "image/decoder.h"

#define PLAIN_SIZE 3000
#define PACKED_MAX 8192
#define MEMLIMIT (UINT64_C(64) << 20)

static const unsigned char *plain(void) {
    static unsigned char bytes[PLAIN_SIZE];
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        // A mix of noise and repetition.
        state = state * 1664525u + 1013904223u;
        bytes[i] = i % 300 < 100 ? (unsigned char)(state >> 24) : (unsigned char)(i / 300);
    }
    return bytes;
}

static size_t pack_xz(unsigned char *out) {
    size_t len = 0;
    assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, plain(), PLAIN_SIZE, out,
                                             &len, PACKED_MAX),
                     LZMA_OK);
    return len;
}

// Several blocks, each with its sizes, as threaded decoding wants them.
static size_t pack_xz_blocks(unsigned char *out) {
    lzma_stream stream = LZMA_STREAM_INIT;
    lzma_mt options = {.threads = 1, .block_size = 1000, .preset = 0, .check = LZMA_CHECK_SHA256};
    assert_int_equal(lzma_stream_encoder_mt(&stream, &options), LZMA_OK);
    stream.next_in = plain();
    stream.avail_in = PLAIN_SIZE;
    stream.next_out = out;
    stream.avail_out = PACKED_MAX;
    assert_int_equal(lzma_code(&stream, LZMA_FINISH), LZMA_STREAM_END);
    size_t len = (size_t)stream.total_out;
    lzma_end(&stream);
    return len;
}

static size_t pack_gzip(unsigned char *out) {
    struct isal_zstream *stream = malloc(sizeof *stream);
    isal_deflate_init(stream);
    stream->gzip_flag = IGZIP_GZIP;
    stream->end_of_stream = 1;
    stream->next_in = (uint8_t *)(uintptr_t)plain();
    stream->avail_in = PLAIN_SIZE;
    stream->next_out = out;
    stream->avail_out = PACKED_MAX;
    assert_int_equal(isal_deflate(stream), COMP_OK);
    size_t len = PACKED_MAX - stream->avail_out;
    free(stream);
    return len;
}

static size_t pack_zstd(unsigned char *out) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t len = ZSTD_compress2(context, out, PACKED_MAX, plain(), PLAIN_SIZE);
    assert_false(ZSTD_isError(len));
    ZSTD_freeCCtx(context);
    return len;
}

static size_t pack_bzip2(unsigned char *out) {
    unsigned len = PACKED_MAX;
    assert_int_equal(BZ2_bzBuffToBuffCompress((char *)out, &len, (char *)(uintptr_t)plain(),
                                              PLAIN_SIZE, 1, 0, 0),
                     BZ_OK);
    return len;
}

static size_t pack_lz4(unsigned char *out) {
    LZ4F_preferences_t preferences = {
        .frameInfo = {.contentChecksumFlag = LZ4F_contentChecksumEnabled}};
    size_t len = LZ4F_compressFrame(out, PACKED_MAX, plain(), PLAIN_SIZE, &preferences);
    assert_false(LZ4F_isError(len));
    return len;
}

struct sample {
    const char *name;
    enum jf_format format;
    size_t (*pack)(unsigned char *out);
    unsigned threads;
};

static const struct sample samples[] = {
    {"xz", JF_FORMAT_XZ, pack_xz, 1},
    {"xz, blocks, one thread", JF_FORMAT_XZ, pack_xz_blocks, 1},
    {"xz, blocks, two threads", JF_FORMAT_XZ, pack_xz_blocks, 2},
    {"gzip", JF_FORMAT_GZIP, pack_gzip, 1},
    {"zstd", JF_FORMAT_ZSTD, pack_zstd, 1},
    {"bzip2", JF_FORMAT_BZIP2, pack_bzip2, 1},
    {"lz4", JF_FORMAT_LZ4, pack_lz4, 1},
};
#define SAMPLE_COUNT (sizeof samples / sizeof *samples)

// Decodes in pieces of the given sizes, each in an allocation of its own so that
// the sanitizer sees every step outside.
static enum jf_code decode(const struct sample *sample, const unsigned char *in, size_t len,
                           size_t in_step, size_t out_step, struct jf_buf *out,
                           struct jf_error *err) {
    struct jf_decoder_options options = {sample->format, sample->threads, MEMLIMIT};
    struct jf_decoder *decoder = NULL;
    assert_int_equal(jf_decoder_new(&options, &decoder, err), JF_OK);
    struct jf_decoder_io io = {0};
    unsigned char *piece = NULL;
    unsigned char *room = malloc(out_step);
    enum jf_code code = JF_OK;
    size_t at = 0;
    for (bool end = false; code == JF_OK && !end;) {
        if (!io.in_len && !io.in_end) {
            size_t count = len - at < in_step ? len - at : in_step;
            free(piece);
            piece = malloc(count ? count : 1);
            memcpy(piece, in + at, count);
            at += count;
            io.in = piece;
            io.in_len = count;
            io.in_end = count == 0;
        }
        io.out = room;
        io.out_len = out_step;
        code = jf_decoder_run(decoder, &io, &end, err);
        jf_buf_add(out, room, out_step - io.out_len);
    }
    free(piece);
    free(room);
    jf_decoder_free(decoder);
    return code;
}

static void expect(const struct sample *sample, const unsigned char *in, size_t len,
                   enum jf_code code, const char *word) {
    struct jf_buf out = {0};
    struct jf_error err = {0};
    enum jf_code got = decode(sample, in, len, 777, 999, &out, &err);
    if (got != code || (word && !strstr(err.message, word)))
        fail_msg("%s, %zu bytes: code %s, message \"%s\"", sample->name, len, jf_code_name(got),
                 err.message);
    jf_buf_free(&out);
}

static void expect_plain(const struct sample *sample, const unsigned char *in, size_t len,
                         size_t in_step, size_t out_step, size_t times) {
    struct jf_buf out = {0};
    struct jf_error err = {0};
    if (decode(sample, in, len, in_step, out_step, &out, &err) != JF_OK)
        fail_msg("%s: %s", sample->name, err.message);
    assert_int_equal(out.len, times * PLAIN_SIZE);
    for (size_t i = 0; i < times; i++)
        assert_memory_equal(out.data + i * PLAIN_SIZE, plain(), PLAIN_SIZE);
    jf_buf_free(&out);
}

static void whole_and_in_pieces(void **state) {
    (void)state;
    static const size_t steps[][2] = {
        {PACKED_MAX, PLAIN_SIZE * 2}, {1, 1}, {1, 4096}, {4096, 1}, {7, 13},
        {PACKED_MAX, PLAIN_SIZE}};
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        unsigned char packed[PACKED_MAX];
        size_t len = samples[i].pack(packed);
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++)
            expect_plain(&samples[i], packed, len, steps[k][0], steps[k][1], 1);
    }
}

static void several_members(void **state) {
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        unsigned char packed[3 * PACKED_MAX];
        size_t len = samples[i].pack(packed);
        memcpy(packed + len, packed, len);
        memcpy(packed + 2 * len, packed, len);
        expect_plain(&samples[i], packed, 3 * len, sizeof packed, 100000, 3);
        expect_plain(&samples[i], packed, 3 * len, 1, 1, 3);
        expect(&samples[i], packed, 2 * len + 2, JF_CLOSED, "truncated");
    }
}

static void cut_anywhere(void **state) {
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        unsigned char packed[PACKED_MAX];
        size_t len = samples[i].pack(packed);
        for (size_t cut = 0; cut < len; cut++)
            expect(&samples[i], packed, cut, JF_CLOSED, "truncated");
    }
}

// A flipped byte may sit where nothing depends on it (a date); then the bytes
// must be the right ones.
static void flipped_anywhere(void **state) {
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        unsigned char packed[PACKED_MAX];
        size_t len = samples[i].pack(packed);
        size_t seen = 0;
        for (size_t at = 0; at < len; at++) {
            struct jf_buf out = {0};
            struct jf_error err = {0};
            packed[at] ^= 0x10;
            enum jf_code code = decode(&samples[i], packed, len, 5000, 5000, &out, &err);
            packed[at] ^= 0x10;
            seen += code == JF_CHECKSUM;
            if (code == JF_OK) {
                assert_int_equal(out.len, PLAIN_SIZE);
                assert_memory_equal(out.data, plain(), PLAIN_SIZE);
            }
            jf_buf_free(&out);
        }
        if (seen < len * 9 / 10)
            fail_msg("%s: only %zu of %zu flips reported as damage", samples[i].name, seen, len);
    }
}

static void followed_by_something(void **state) {
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const struct sample *sample = &samples[i];
        unsigned char packed[3 * PACKED_MAX] = {0};
        size_t len = sample->pack(packed);
        memcpy(packed + len, "some junk behind", 16);
        for (size_t extra = 1; extra <= 16; extra++)
            expect(sample, packed, len + extra, JF_PROTOCOL, "trailing junk");
        memset(packed + len, 0, 16);
        for (size_t extra = 1; extra <= 16; extra++) {
            bool fine = sample->format == JF_FORMAT_GZIP ||
                        (sample->format == JF_FORMAT_XZ && extra % 4 == 0);
            expect(sample, packed, len + extra, fine ? JF_OK : JF_PROTOCOL,
                   fine ? NULL : "trailing junk");
        }
    }
}

static void members_behind_padding(void **state) {
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const struct sample *sample = &samples[i];
        for (size_t padding = 1; padding <= 8; padding++) {
            unsigned char packed[3 * PACKED_MAX] = {0};
            size_t len = sample->pack(packed);
            memcpy(packed + len + padding, packed, len);
            bool fine = sample->format == JF_FORMAT_XZ && padding % 4 == 0;
            expect(sample, packed, 2 * len + padding, fine ? JF_OK : JF_PROTOCOL,
                   fine ? NULL : "trailing junk");
        }
    }
}

static void something_else(void **state) {
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++)
        expect(&samples[i], (const unsigned char *)"no compressed data", 18, JF_PROTOCOL,
               "does not begin as");
}

static void skippable_frames(void **state) {
    (void)state;
    static const unsigned char skip[] = "\x53\x2a\x4d\x18\5\0\0\0hello";
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const struct sample *sample = &samples[i];
        if (sample->format != JF_FORMAT_ZSTD && sample->format != JF_FORMAT_LZ4)
            continue;
        unsigned char packed[2 * PACKED_MAX];
        memcpy(packed, skip, 13);
        size_t len = 13 + sample->pack(packed + 13);
        assert_int_equal(jf_format_detect(packed, len), sample->format);
        memcpy(packed + len, skip, 13);
        expect_plain(sample, packed, len + 13, 1, 1, 1);
        expect_plain(sample, packed, len + 13, 5000, 5000, 1);
        expect(sample, packed, len + 12, JF_CLOSED, "truncated");
    }
}

static enum jf_code decode_limited(enum jf_format format, unsigned threads, uint64_t memlimit,
                                   const unsigned char *in, size_t len, struct jf_error *err) {
    struct jf_decoder_options options = {format, threads, memlimit};
    struct jf_decoder *decoder = NULL;
    assert_int_equal(jf_decoder_new(&options, &decoder, err), JF_OK);
    unsigned char room[PLAIN_SIZE * 2];
    struct jf_decoder_io io = {.in = in, .in_len = len, .out = room, .out_len = sizeof room};
    bool end = false;
    enum jf_code code = jf_decoder_run(decoder, &io, &end, err);
    jf_decoder_free(decoder);
    return code;
}

static void more_memory_than_allowed(void **state) {
    (void)state;
    unsigned char packed[PACKED_MAX];
    struct jf_error err;
    size_t len = 0;
    assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, plain(), PLAIN_SIZE, packed,
                                             &len, sizeof packed),
                     LZMA_OK);
    for (unsigned threads = 1; threads <= 2; threads++) {
        assert_int_equal(decode_limited(JF_FORMAT_XZ, threads, 4 << 20, packed, len, &err),
                         JF_LIMIT);
        assert_string_equal(
            err.message, threads == 1 ? "xz: decoding needs 9 MiB of memory, the limit is 4 MiB"
                                      : "xz: decoding needs more memory than the limit of 4 MiB");
        assert_int_equal(decode_limited(JF_FORMAT_XZ, threads, 16 << 20, packed, len, &err), JF_OK);
    }
    // A frame header that asks for a window of 128 MiB, and nothing behind it.
    static const unsigned char frame[] = "\x28\xb5\x2f\xfd\x00\x88\1\0\0";
    assert_int_equal(decode_limited(JF_FORMAT_ZSTD, 1, 100 << 20, frame, 9, &err), JF_LIMIT);
    assert_string_equal(
        err.message, "zstd: decoding needs 128 MiB of memory for its window, the limit is 100 MiB");
    assert_int_equal(decode_limited(JF_FORMAT_ZSTD, 1, 128 << 20, frame, 9, &err), JF_OK);
}

// lz4's blocks decode in place where a whole one fits.
static void room_for_a_block(void **state) {
    (void)state;
    static const struct {
        LZ4F_blockSizeID_t id;
        size_t bytes;
    } sizes[] = {{LZ4F_max64KB, 64 << 10},
                 {LZ4F_max256KB, 256 << 10},
                 {LZ4F_max1MB, 1 << 20},
                 {LZ4F_max4MB, 4 << 20}};
    unsigned char packed[PACKED_MAX];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        // A block is not made larger than what it has to hold.
        static unsigned char blank[(4 << 20) + 1];
        LZ4F_preferences_t preferences = {.frameInfo = {.blockSizeID = sizes[i].id}};
        unsigned char *out = malloc(LZ4F_compressFrameBound(sizeof blank, &preferences));
        size_t len = LZ4F_compressFrame(out, LZ4F_compressFrameBound(sizeof blank, &preferences),
                                        blank, sizeof blank, &preferences);
        assert_false(LZ4F_isError(len));
        assert_int_equal(jf_decoder_room(JF_FORMAT_LZ4, out, len), sizes[i].bytes);
        assert_int_equal(jf_decoder_room(JF_FORMAT_LZ4, out, 5), 0);
        free(out);
    }
    assert_int_equal(jf_decoder_room(JF_FORMAT_LZ4, (const unsigned char *)"\x50\x2a\x4d\x18~~", 6),
                     0);
    assert_int_equal(jf_decoder_room(JF_FORMAT_XZ, packed, pack_xz(packed)), 0);
    assert_int_equal(jf_decoder_room(JF_FORMAT_RAW, packed, sizeof packed), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_and_in_pieces),
        cmocka_unit_test(several_members),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(flipped_anywhere),
        cmocka_unit_test(followed_by_something),
        cmocka_unit_test(members_behind_padding),
        cmocka_unit_test(something_else),
        cmocka_unit_test(skippable_frames),
        cmocka_unit_test(more_memory_than_allowed),
        cmocka_unit_test(room_for_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
