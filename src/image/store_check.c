// SPDX-License-Identifier: Apache-2.0
//
// Walking over the ranges that are there.
#include <string.h>

#include "image/decoder.h"
#include "image/store_internal.h"

#define DECODER_MEMORY (UINT64_C(256) << 20)

// Of a range that is looked at, and of all up to its end. The second takes the
// place of the store's own when the first is right.
struct sums {
    struct jf_digest *range;
    struct jf_digest *whole;
};

static void add_to_sums(struct sums *sums, const void *bytes, size_t len) {
    jf_digest_update(sums->range, bytes, len);
    jf_digest_update(sums->whole, bytes, len);
}

static enum jf_code too_short(const struct jf_store *store, struct jf_error *err) {
    return jf_fail(err, JF_CHECKSUM, "%s: ends inside a range", store->path);
}

static enum jf_code hash_plain(struct jf_store *store, uint64_t bytes, struct sums *sums,
                               const struct jf_cancel *cancel, struct jf_error *err) {
    uint64_t offset = store->stored_bytes;
    while (bytes > 0) {
        size_t want = smaller(bytes, CHUNK), got;
        enum jf_code code =
            jf_store_read_at(store->fd, store->path, store->plain, want, offset, &got, err);
        if (code == JF_OK)
            code = got == want ? jf_cancel_check(cancel, err) : too_short(store, err);
        if (code != JF_OK)
            return code;
        add_to_sums(sums, store->plain, got);
        bytes -= got;
        offset += got;
    }
    return JF_OK;
}

// Feeds what the decoder asks for and takes what it gives.
static enum jf_code decode_range(struct jf_store *store, struct jf_decoder *decoder,
                                 uint64_t stored_bytes, struct sums *sums,
                                 const struct jf_cancel *cancel, struct jf_error *err) {
    struct jf_decoder_io io = {.in = store->coded};
    uint64_t offset = store->stored_bytes;
    bool end = false;
    while (!end) {
        enum jf_code code = jf_cancel_check(cancel, err);
        if (code == JF_OK && io.in_len == 0 && stored_bytes > 0) {
            size_t want = smaller(stored_bytes, CHUNK), got;
            code = jf_store_read_at(store->fd, store->path, store->coded, want, offset, &got, err);
            if (code == JF_OK && got < want)
                code = too_short(store, err);
            io.in = store->coded;
            io.in_len = want;
            offset += want;
            stored_bytes -= want;
        }
        io.in_end = stored_bytes == 0;
        io.out = store->plain;
        io.out_len = CHUNK;
        if (code == JF_OK)
            code = jf_decoder_run(decoder, &io, &end, err);
        if (code != JF_OK)
            return code;
        add_to_sums(sums, store->plain, CHUNK - io.out_len);
    }
    return JF_OK;
}

static enum jf_code hash_coded(struct jf_store *store, uint64_t stored_bytes, struct sums *sums,
                               const struct jf_cancel *cancel, struct jf_error *err) {
    struct jf_decoder_options options = {
        .format = store->format, .threads = 1, .memlimit_bytes = DECODER_MEMORY};
    struct jf_decoder *decoder = NULL;
    enum jf_code code = jf_decoder_new(&options, &decoder, err);
    if (code == JF_OK)
        code = decode_range(store, decoder, stored_bytes, sums, cancel, err);
    jf_decoder_free(decoder);
    // That it does not decode is the same as that it is another range.
    if (code == JF_CLOSED || code == JF_PROTOCOL)
        return jf_fail(err, JF_CHECKSUM, "%s: a range is damaged", store->path);
    return code;
}

static enum jf_code hash_range(struct jf_store *store, uint64_t bytes, uint64_t stored_bytes,
                               struct sums *sums, const struct jf_cancel *cancel,
                               struct jf_error *err) {
    if (store->format == JF_FORMAT_RAW)
        return hash_plain(store, bytes, sums, cancel, err);
    return hash_coded(store, stored_bytes, sums, cancel, err);
}

enum jf_code jf_store_check(struct jf_store *store, uint64_t bytes, uint64_t stored_bytes,
                            const char *sha256, const struct jf_cancel *cancel,
                            struct jf_error *err) {
    struct sums sums = {jf_digest_new(), jf_digest_copy(store->digest)};
    enum jf_code code = JF_OK;
    char hex[JF_SHA256_HEX_SIZE];
    if (!sums.range || !sums.whole)
        code = jf_fail(err, JF_LIMIT, "%s: not enough memory", store->path);
    if (code == JF_OK)
        code = hash_range(store, bytes, stored_bytes, &sums, cancel, err);
    if (code == JF_OK) {
        jf_digest_hex(sums.range, hex);
        if (strcmp(hex, sha256) == 0)
            jf_store_move_on(store, bytes, stored_bytes, &sums.whole);
        else
            code = jf_fail(err, JF_CHECKSUM, "%s: a range has another digest", store->path);
    }
    jf_digest_free(sums.range);
    jf_digest_free(sums.whole);
    return code;
}
