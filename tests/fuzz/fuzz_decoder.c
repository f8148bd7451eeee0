// SPDX-License-Identifier: Apache-2.0
//
// The decoders' shell. Byte 0 chooses the format, byte 1 how the rest is cut
// into pieces. Every run must end, and stay within its memory.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/decoder.h"

#define OUT_MAX ((size_t)8 << 20) // what decodes to more is cut off
#define ROOM 5000

static const struct {
    enum jf_format format;
    unsigned threads;
} choices[] = {
    {JF_FORMAT_XZ, 1},    {JF_FORMAT_GZIP, 1}, {JF_FORMAT_ZSTD, 1},
    {JF_FORMAT_BZIP2, 1}, {JF_FORMAT_LZ4, 1},  {JF_FORMAT_XZ, 2},
};

// Small numbers, often one; never zero.
static size_t next_size(uint32_t *state, size_t most) {
    *state = *state * 1664525u + 1013904223u;
    size_t size = (*state >> 16) % 4 == 0 ? 1 : (*state >> 18) % most + 1;
    return size;
}

// A copy of exactly this size, so that a read past it is seen.
static unsigned char *copy(const uint8_t *bytes, size_t len) {
    unsigned char *piece = malloc(len ? len : 1);
    if (len)
        memcpy(piece, bytes, len);
    return piece;
}

static void drain(struct jf_decoder *decoder, const uint8_t *data, size_t size, uint32_t state) {
    struct jf_decoder_io io = {0};
    unsigned char *piece = NULL;
    unsigned char *room = malloc(ROOM);
    size_t at = 0;
    size_t total = 0;
    enum jf_code code = JF_OK;
    for (bool end = false; code == JF_OK && !end && total < OUT_MAX;) {
        if (!io.in_len && !io.in_end) {
            size_t count = next_size(&state, 2000);
            count = count < size - at ? count : size - at;
            free(piece);
            piece = copy(data + at, count);
            at += count;
            io.in = piece;
            io.in_len = count;
            io.in_end = count == 0;
        }
        io.out = room;
        io.out_len = next_size(&state, ROOM);
        size_t before = io.out_len;
        struct jf_error err;
        code = jf_decoder_run(decoder, &io, &end, &err);
        total += before - io.out_len;
    }
    free(piece);
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    size_t choice = data[0] % (sizeof choices / sizeof *choices);
    struct jf_decoder_options options = {
        .format = choices[choice].format,
        .threads = choices[choice].threads,
        .memlimit_bytes = 8 << 20,
    };
    struct jf_decoder *decoder;
    struct jf_error err;
    if (jf_decoder_new(&options, &decoder, &err) != JF_OK)
        return 0;
    drain(decoder, data + 2, size - 2, data[1]);
    jf_decoder_free(decoder);
    return 0;
}
