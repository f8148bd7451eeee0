// SPDX-License-Identifier: Apache-2.0
//
// The thread of a pipeline that reads and decodes.
#include <sched.h>

#include "image/pipeline_internal.h"

#define THREADS_MAX 16

// Without work for the taker the piece stays here, and in the processor's cache.
static void give_piece(struct jf_pipeline *p, struct jf_piece *piece, int kind) {
    piece->kind = kind;
    if (!p->options.skip_digest || passes_on(p, kind))
        jf_relay_give(p->relay, piece);
}

static enum jf_code tell_format(struct jf_pipeline *p, struct jf_error *err) {
    const char *name = jf_source_name(p->source);
    unsigned char head[JF_FORMAT_HEAD_SIZE];
    size_t len = 0;
    struct jf_source_wait wait = {.deadline = JF_NEVER, .cancel = p->cancel};
    enum jf_code code = jf_source_peek(p->source, head, sizeof head, &wait, &len, err);
    if (code != JF_OK)
        return code;
    if (len == 0)
        return jf_fail(err, JF_CLOSED, "%s: is empty", name);
    p->format = p->options.format;
    if (p->format == JF_FORMAT_AUTO)
        p->format = jf_format_detect(head, len);
    p->room = jf_decoder_room(p->format, head, len);
    if (p->room < PIECE_SIZE)
        p->room = PIECE_SIZE;
    return jf_format_check(p->format, JF_FORMAT_AUTO, name, p->hint, err);
}

// Reads a piece and gives it to the taker, too. NULL with JF_OK at the end.
static enum jf_code read_piece(struct jf_pipeline *p, struct jf_piece **ret_piece,
                               struct jf_error *err) {
    *ret_piece = NULL;
    struct jf_piece *piece = jf_relay_get(p->relay, PIECE_SIZE);
    if (!piece)
        return jf_fail(err, JF_CANCELLED, "%s: stopped", jf_source_name(p->source));
    struct jf_source_wait wait = {.deadline = JF_NEVER, .cancel = p->cancel};
    enum jf_code code =
        jf_source_read(p->source, p->offset, piece->bytes, PIECE_SIZE, &wait, &piece->len, err);
    if (code != JF_OK || piece->len == 0) {
        jf_relay_release(p->relay, piece);
        return code;
    }
    p->offset += piece->len;
    atomic_fetch_add(&p->delivered_bytes, piece->len);
    give_piece(p, piece,
               p->format == JF_FORMAT_RAW ? PIECE_DELIVERED | PIECE_DECODED : PIECE_DELIVERED);
    *ret_piece = piece;
    return JF_OK;
}

static enum jf_code pass_through(struct jf_pipeline *p, struct jf_error *err) {
    for (;;) {
        struct jf_piece *piece;
        enum jf_code code = read_piece(p, &piece, err);
        if (code != JF_OK || !piece)
            return code;
        jf_relay_release(p->relay, piece);
    }
}

static enum jf_code give_decoded(struct jf_pipeline *p, struct jf_piece *piece,
                                 struct jf_error *err) {
    // The image's own beginning tells a container inside the compression.
    bool first = atomic_load(&p->decoded_bytes) == 0;
    if (first && piece->len) {
        enum jf_format inner = jf_format_detect(piece->bytes, piece->len);
        const char *name = jf_source_name(p->source);
        enum jf_code code = jf_format_check(p->format, inner, name, p->hint, err);
        if (code != JF_OK)
            return code;
    }
    atomic_fetch_add(&p->decoded_bytes, piece->len);
    give_piece(p, piece, PIECE_DECODED);
    return JF_OK;
}

// The state of decode_all, so that its steps can be functions of their own.
struct decoding {
    struct jf_piece *in;  // what `io.in` points into
    struct jf_piece *out; // what `io.out` points into
    struct jf_decoder_io io;
};

static enum jf_code refill(struct jf_pipeline *p, struct decoding *d, struct jf_error *err) {
    jf_relay_release(p->relay, d->in);
    enum jf_code code = read_piece(p, &d->in, err);
    if (code != JF_OK)
        return code;
    d->io.in_end = d->in == NULL;
    d->io.in = d->in ? d->in->bytes : (const unsigned char *)"";
    d->io.in_len = d->in ? d->in->len : 0;
    return JF_OK;
}

static enum jf_code make_room(struct jf_pipeline *p, struct decoding *d, struct jf_error *err) {
    d->out = jf_relay_get(p->relay, p->room > PIECE_SIZE ? LARGE_PIECE_SIZE : PIECE_SIZE);
    if (!d->out)
        return jf_fail(err, JF_CANCELLED, "%s: stopped", jf_source_name(p->source));
    d->io.out = d->out->bytes;
    d->io.out_len = p->room;
    return JF_OK;
}

static enum jf_code flush(struct jf_pipeline *p, struct decoding *d, struct jf_error *err) {
    d->out->len = p->room - d->io.out_len;
    enum jf_code code = give_decoded(p, d->out, err);
    jf_relay_release(p->relay, d->out);
    d->out = NULL;
    return code;
}

static enum jf_code decode_some(struct jf_pipeline *p, struct decoding *d, bool *ret_end,
                                struct jf_error *err) {
    enum jf_code code = jf_cancel_check(p->cancel, err);
    if (code == JF_OK && !d->io.in_len && !d->io.in_end)
        code = refill(p, d, err);
    if (code == JF_OK && !d->out)
        code = make_room(p, d, err);
    if (code != JF_OK)
        return code;
    code = jf_decoder_run(p->decoder, &d->io, ret_end, err);
    if (code != JF_OK)
        return jf_prefix(err, "%s", jf_source_name(p->source));
    return *ret_end || !d->io.out_len ? flush(p, d, err) : JF_OK;
}

static unsigned thread_count(unsigned wanted) {
    if (wanted)
        return wanted < THREADS_MAX ? wanted : THREADS_MAX;
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < THREADS_MAX ? (unsigned)count : THREADS_MAX;
}

static enum jf_code decode_all(struct jf_pipeline *p, struct jf_error *err) {
    struct jf_decoder_options options = {
        .format = p->format,
        .threads = thread_count(p->options.threads),
        .memlimit_bytes = p->options.memlimit_bytes,
    };
    enum jf_code code = jf_decoder_new(&options, &p->decoder, err);
    struct decoding d = {0};
    for (bool end = false; code == JF_OK && !end;)
        code = decode_some(p, &d, &end, err);
    jf_relay_release(p->relay, d.in);
    jf_relay_release(p->relay, d.out);
    return code;
}

void *jf_pipeline_give(void *context) {
    struct jf_pipeline *p = context;
    struct jf_error *err = &p->giver_err;
    enum jf_code code = tell_format(p, err);
    if (code == JF_OK)
        code = decodes(p) ? decode_all(p, err) : pass_through(p, err);
    err->code = code;
    jf_relay_end(p->relay);
    return NULL;
}
