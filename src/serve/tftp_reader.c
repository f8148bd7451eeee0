// SPDX-License-Identifier: Apache-2.0
#include "serve/tftp_reader.h"

#include <stdlib.h>

// Lock-step takes about ten blocks out of one read; a hundred clients cost 1.6 MB.
#define CHUNK 16384

void jf_tftp_reader_open(struct jf_tftp_reader *reader, struct jf_content *content,
                         uint32_t blksize, bool netascii) {
    struct jf_tftp_place start = {.block = 1, .pending = -1};
    *reader = (struct jf_tftp_reader){
        .content = jf_content_ref(content),
        .blksize = blksize,
        .netascii = netascii,
        .place = start,
        .mark = start,
    };
}

void jf_tftp_reader_close(struct jf_tftp_reader *reader) {
    jf_content_unref(reader->content);
    free(reader->chunk);
    *reader = (struct jf_tftp_reader){0};
}

uint64_t jf_tftp_reader_last(const struct jf_tftp_reader *reader) {
    if (reader->netascii)
        return UINT64_MAX;
    // A file of whole blocks ends with an empty one.
    return jf_content_size(reader->content) / reader->blksize + 1;
}

// Points *ret_bytes at the content from `offset`, `want` bytes or fewer at the end.
static enum jf_code from_chunk(struct jf_tftp_reader *reader, uint64_t offset, size_t want,
                               const uint8_t **ret_bytes, size_t *ret_len, struct jf_error *err) {
    uint64_t left = jf_content_size(reader->content) - offset;
    size_t len = left < want ? (size_t)left : want;
    bool inside =
        offset >= reader->chunk_at && offset + len <= reader->chunk_at + reader->chunk_len;
    if (!reader->chunk && !(reader->chunk = malloc(CHUNK)))
        return jf_fail(err, JF_LIMIT, "not enough memory");
    if (!inside) {
        reader->chunk_len = 0;
        size_t fill = left < CHUNK ? (size_t)left : CHUNK;
        enum jf_code code = jf_content_pread(reader->content, reader->chunk, fill, offset, err);
        if (code != JF_OK)
            return code;
        reader->chunk_at = offset;
        reader->chunk_len = fill;
    }
    *ret_bytes = reader->chunk + (offset - reader->chunk_at);
    *ret_len = len;
    return JF_OK;
}

static enum jf_code read_octet(struct jf_tftp_reader *reader, uint64_t first, uint64_t count,
                               uint8_t *scratch, const uint8_t **ret_bytes, size_t *ret_len,
                               struct jf_error *err) {
    uint64_t offset = (first - 1) * reader->blksize;
    uint64_t want = count * reader->blksize;
    uint64_t left = jf_content_size(reader->content) - offset;
    if (want <= CHUNK / 2)
        return from_chunk(reader, offset, (size_t)want, ret_bytes, ret_len, err);
    *ret_bytes = scratch;
    *ret_len = (size_t)(left < want ? left : want);
    return jf_content_pread(reader->content, scratch, *ret_len, offset, err);
}

// The second byte of the pair that stands for `byte`, or -1 when it stands alone.
static int pair_of(uint8_t byte, uint8_t *ret_first) {
    *ret_first = byte == '\n' ? '\r' : byte;
    return byte == '\n' ? '\n' : byte == '\r' ? '\0' : -1;
}

// Moves `place` one block on; the block's bytes go to `out`.
static enum jf_code encode_block(struct jf_tftp_reader *reader, struct jf_tftp_place *place,
                                 uint8_t *out, size_t *ret_len, struct jf_error *err) {
    uint64_t size = jf_content_size(reader->content);
    size_t used = 0;
    while (used < reader->blksize && (place->pending >= 0 || place->offset < size)) {
        if (place->pending >= 0) {
            out[used++] = (uint8_t)place->pending;
            place->pending = -1;
            continue;
        }
        const uint8_t *bytes = NULL;
        size_t len = 0;
        enum jf_code code = from_chunk(reader, place->offset, 512, &bytes, &len, err);
        if (code != JF_OK)
            return code;
        for (size_t i = 0; i < len && used < reader->blksize && place->pending < 0; i++) {
            place->pending = pair_of(bytes[i], &out[used++]);
            place->offset++;
        }
    }
    place->block++;
    *ret_len = used;
    return JF_OK;
}

static enum jf_code skip_to(struct jf_tftp_reader *reader, struct jf_tftp_place *place,
                            uint64_t block, struct jf_error *err) {
    uint8_t *unused = place->block < block ? malloc(reader->blksize) : NULL;
    enum jf_code code = JF_OK;
    while (code == JF_OK && place->block < block) {
        size_t len;
        code = unused ? encode_block(reader, place, unused, &len, err)
                      : jf_fail(err, JF_LIMIT, "not enough memory");
    }
    free(unused);
    return code;
}

static enum jf_code read_netascii(struct jf_tftp_reader *reader, uint64_t first, uint64_t count,
                                  uint8_t *scratch, size_t *ret_len, struct jf_error *err) {
    if (reader->place.block != first) {
        reader->place = reader->mark;
        enum jf_code code = skip_to(reader, &reader->place, first, err);
        if (code != JF_OK)
            return code;
    }
    size_t used = 0;
    for (uint64_t i = 0; i < count; i++) {
        size_t len;
        enum jf_code code = encode_block(reader, &reader->place, scratch + used, &len, err);
        if (code != JF_OK)
            return code;
        used += len;
        if (len < reader->blksize)
            break;
    }
    *ret_len = used;
    return JF_OK;
}

enum jf_code jf_tftp_reader_mark(struct jf_tftp_reader *reader, uint64_t block,
                                 struct jf_error *err) {
    if (!reader->netascii)
        return JF_OK;
    if (reader->place.block == block)
        reader->mark = reader->place;
    return skip_to(reader, &reader->mark, block, err);
}

void jf_tftp_reader_prefetch(struct jf_tftp_reader *reader, uint64_t block) {
    uint64_t offset = (block - 1) * reader->blksize;
    const uint8_t *bytes;
    size_t len;
    struct jf_error err;
    if (!reader->netascii && reader->blksize <= CHUNK / 2 &&
        offset < jf_content_size(reader->content))
        from_chunk(reader, offset, reader->blksize, &bytes, &len, &err);
}

enum jf_code jf_tftp_reader_read(struct jf_tftp_reader *reader, uint64_t first, uint64_t count,
                                 uint8_t *scratch, const uint8_t **ret_bytes, size_t *ret_len,
                                 struct jf_error *err) {
    if (!reader->netascii)
        return read_octet(reader, first, count, scratch, ret_bytes, ret_len, err);
    *ret_bytes = scratch;
    return read_netascii(reader, first, count, scratch, ret_len, err);
}
