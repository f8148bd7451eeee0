// SPDX-License-Identifier: Apache-2.0
//
// The giver reads and decodes; the taker hashes and passes on. What the giver
// writes (giver_err, hint, format, counts) the taker reads after joining it, and
// everybody else once `done` is set.
#include "image/pipeline.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/wait.h"
#include "image/decoder.h"
#include "image/relay.h"

// Small enough to stay in the processor's cache, enough for both threads to work
// at once while they take turns.
#define PIECE_SIZE ((size_t)128 << 10)
#define PIECE_COUNT 12
// For decompressors that want more room: the largest block of lz4.
#define LARGE_PIECE_SIZE ((size_t)4 << 20)
#define LARGE_PIECE_COUNT 3
#define QUEUE_CAPACITY ((size_t)4 << 20)
#define THREADS_MAX 16

enum piece_kind {
    PIECE_DELIVERED = 1,
    PIECE_DECODED = 2,
};

struct jf_pipeline {
    atomic_uint references;
    struct jf_source *source;
    struct jf_pipeline_options options;
    struct jf_cancel *cancel; // requested by jf_pipeline_stop
    struct jf_relay *relay;
    struct jf_queue *queue;
    struct jf_event finished;
    pthread_t taker;
    pthread_t giver;
    int64_t started_ns;

    // The giver's.
    struct jf_decoder *decoder;
    struct jf_error giver_err; // code JF_OK while nothing went wrong
    char hint[JF_HINT_SIZE];
    enum jf_format format;
    size_t room;     // for decoded bytes, in one piece
    uint64_t offset; // bytes read

    // The taker's.
    struct jf_digest *delivered;
    struct jf_digest *decoded;
    struct jf_error taker_err;

    atomic_ullong delivered_bytes;
    atomic_ullong decoded_bytes;
    atomic_bool done; // what follows is final
    struct jf_pipeline_result result;
    struct jf_error failure;
};

static bool decodes(const struct jf_pipeline *p) {
    return p->format != JF_FORMAT_RAW && !p->options.skip_decode;
}

static bool passes_on(const struct jf_pipeline *p, int kind) {
    return (p->options.sink == JF_SINK_DELIVERED && (kind & PIECE_DELIVERED)) ||
           (p->options.sink == JF_SINK_DECODED && (kind & PIECE_DECODED));
}

// The giver.

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

static void *give(void *context) {
    struct jf_pipeline *p = context;
    struct jf_error *err = &p->giver_err;
    enum jf_code code = tell_format(p, err);
    if (code == JF_OK)
        code = decodes(p) ? decode_all(p, err) : pass_through(p, err);
    err->code = code;
    jf_relay_end(p->relay);
    return NULL;
}

// The taker.

static enum jf_code handle(struct jf_pipeline *p, const struct jf_piece *piece,
                           struct jf_error *err) {
    if (!p->options.skip_digest)
        jf_digest_update(piece->kind & PIECE_DELIVERED ? p->delivered : p->decoded, piece->bytes,
                         piece->len);
    if (passes_on(p, piece->kind) && jf_queue_write(p->queue, piece->bytes, piece->len) != JF_OK)
        return jf_fail(err, JF_CLOSED, "%s: the one who was to receive it has gone",
                       jf_source_name(p->source));
    return JF_OK;
}

static enum jf_code take_all(struct jf_pipeline *p, struct jf_error *err) {
    enum jf_code code = JF_OK;
    for (struct jf_piece *piece; code == JF_OK && (piece = jf_relay_take(p->relay));) {
        code = handle(p, piece, err);
        jf_relay_release(p->relay, piece);
    }
    return code;
}

static void fill_result(struct jf_pipeline *p) {
    struct jf_pipeline_result *result = &p->result;
    bool raw = p->format == JF_FORMAT_RAW;
    result->format = p->format;
    result->delivered_bytes = atomic_load(&p->delivered_bytes);
    result->decoded_bytes = raw ? result->delivered_bytes : atomic_load(&p->decoded_bytes);
    result->elapsed_s = (double)(jf_now_ns() - p->started_ns) / 1e9;
    memcpy(result->hint, p->hint, sizeof result->hint);
    if (p->options.skip_digest)
        return;
    jf_digest_hex(p->delivered, result->delivered_sha256);
    if (raw)
        memcpy(result->decoded_sha256, result->delivered_sha256, JF_SHA256_HEX_SIZE);
    else if (decodes(p))
        jf_digest_hex(p->decoded, result->decoded_sha256);
}

// What only the whole can tell.
static enum jf_code check_whole(struct jf_pipeline *p, struct jf_error *err) {
    const char *expected = p->options.delivered_sha256;
    enum jf_code code = jf_source_unchanged(p->source, err);
    if (code != JF_OK)
        return code;
    if (expected[0] && strcmp(expected, p->result.delivered_sha256) != 0)
        return jf_fail(err, JF_CHECKSUM, "%s: has the SHA-256 %s, expected was %s",
                       jf_source_name(p->source), p->result.delivered_sha256, expected);
    if (decodes(p) && p->result.decoded_bytes == 0)
        return jf_fail(err, JF_CLOSED, "%s: the %s data holds nothing", jf_source_name(p->source),
                       jf_format_name(p->format));
    return JF_OK;
}

// The first cause: a request to stop makes both threads fail, a taker's failure
// the giver.
static enum jf_code verdict(struct jf_pipeline *p, struct jf_error *err) {
    if (jf_cancel_signal(p->cancel) == SIGTERM)
        return jf_fail(err, JF_CANCELLED, "%s: stopped", jf_source_name(p->source));
    const struct jf_error *first = p->taker_err.code != JF_OK ? &p->taker_err : &p->giver_err;
    if (first->code != JF_OK) {
        *err = *first;
        return first->code;
    }
    return check_whole(p, err);
}

// Makes both threads end. SIGTERM marks a request from outside.
static void stop_work(struct jf_pipeline *p, int signal_number) {
    jf_cancel_request(p->cancel, signal_number);
    jf_relay_stop(p->relay);
}

// To the reader JF_CLOSED is the proper end; an image that ends early is none.
static void end_queue(struct jf_pipeline *p) {
    struct jf_error err = p->failure;
    if (err.code == JF_CLOSED)
        err.code = JF_PROTOCOL;
    jf_queue_end(p->queue, err.code != JF_OK ? &err : NULL);
}

static void *take(void *context) {
    struct jf_pipeline *p = context;
    p->taker_err.code = take_all(p, &p->taker_err);
    if (p->taker_err.code != JF_OK)
        stop_work(p, SIGPIPE);
    pthread_join(p->giver, NULL);
    // Frees the decompressor's memory before the one who waits goes on.
    jf_decoder_free(p->decoder);
    p->decoder = NULL;
    fill_result(p);
    p->failure.code = verdict(p, &p->failure);
    atomic_store(&p->done, true);
    if (p->queue)
        end_queue(p);
    jf_event_raise(&p->finished);
    return NULL;
}

// All threads.

static void free_pipeline(struct jf_pipeline *p) {
    jf_digest_free(p->delivered);
    jf_digest_free(p->decoded);
    jf_queue_free(p->queue);
    jf_relay_free(p->relay);
    jf_cancel_free(p->cancel);
    jf_event_close(&p->finished);
    jf_source_unref(p->source);
    free(p);
}

static struct jf_relay *new_relay(void) {
    const struct jf_piece_kind kinds[] = {
        {PIECE_COUNT, PIECE_SIZE},
        {LARGE_PIECE_COUNT, LARGE_PIECE_SIZE},
    };
    return jf_relay_new(kinds, sizeof kinds / sizeof kinds[0]);
}

static struct jf_pipeline *new_pipeline(struct jf_source *source,
                                        const struct jf_pipeline_options *options) {
    struct jf_pipeline *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    atomic_init(&p->references, 1);
    p->source = jf_source_ref(source);
    p->options = *options;
    if (!p->options.memlimit_bytes)
        p->options.memlimit_bytes = JF_PIPELINE_MEMLIMIT;
    if (!p->options.capacity_bytes)
        p->options.capacity_bytes = QUEUE_CAPACITY;
    p->finished.fd = -1;
    p->cancel = jf_cancel_new();
    p->relay = new_relay();
    p->delivered = jf_digest_new();
    p->decoded = jf_digest_new();
    if (options->sink != JF_SINK_NONE)
        p->queue = jf_queue_new(p->options.capacity_bytes);
    bool whole = p->cancel && p->relay && p->delivered && p->decoded &&
                 (p->queue || options->sink == JF_SINK_NONE);
    if (whole && jf_event_open(&p->finished, NULL) == JF_OK)
        return p;
    free_pipeline(p);
    return NULL;
}

static int start_threads(struct jf_pipeline *p) {
    int failed = pthread_create(&p->giver, NULL, give, p);
    if (failed)
        return failed;
    failed = pthread_create(&p->taker, NULL, take, p);
    if (failed) {
        stop_work(p, SIGTERM);
        pthread_join(p->giver, NULL);
        jf_decoder_free(p->decoder);
    }
    return failed;
}

enum jf_code jf_pipeline_start(struct jf_source *source, const struct jf_pipeline_options *options,
                               struct jf_pipeline **ret_pipeline, struct jf_error *err) {
    enum jf_code code = jf_source_claim(source, err);
    if (code != JF_OK)
        return code;
    struct jf_pipeline *p = new_pipeline(source, options);
    if (!p)
        return jf_fail(err, JF_LIMIT, "%s: not enough memory or descriptors to read it",
                       jf_source_name(source));
    p->started_ns = jf_now_ns();
    // Signals are for the main thread; threads inherit the mask.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = start_threads(p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        code = jf_fail_errno(err, failed, "%s: cannot start a thread", jf_source_name(source));
        free_pipeline(p);
        return code;
    }
    *ret_pipeline = p;
    return JF_OK;
}

struct jf_pipeline *jf_pipeline_ref(struct jf_pipeline *pipeline) {
    atomic_fetch_add(&pipeline->references, 1);
    return pipeline;
}

void jf_pipeline_unref(struct jf_pipeline *pipeline) {
    if (!pipeline || atomic_fetch_sub(&pipeline->references, 1) != 1)
        return;
    jf_pipeline_stop(pipeline);
    pthread_join(pipeline->taker, NULL);
    free_pipeline(pipeline);
}

struct jf_queue *jf_pipeline_queue(struct jf_pipeline *pipeline) {
    return pipeline->queue;
}

int64_t jf_pipeline_sink_size(const struct jf_pipeline *pipeline) {
    bool as_delivered =
        pipeline->options.sink == JF_SINK_DELIVERED || pipeline->options.format == JF_FORMAT_RAW;
    return as_delivered ? jf_source_size(pipeline->source) : -1;
}

void jf_pipeline_progress(const struct jf_pipeline *pipeline,
                          struct jf_pipeline_progress *ret_progress) {
    bool done = atomic_load(&pipeline->done);
    *ret_progress = (struct jf_pipeline_progress){
        .delivered_bytes = atomic_load(&pipeline->delivered_bytes),
        .decoded_bytes =
            done ? pipeline->result.decoded_bytes : atomic_load(&pipeline->decoded_bytes),
        .done = done,
        .failed = done && pipeline->failure.code != JF_OK,
    };
}

enum jf_code jf_pipeline_wait(struct jf_pipeline *pipeline, jf_deadline deadline,
                              const struct jf_cancel *cancel, struct jf_error *err) {
    enum jf_code code = jf_event_wait(&pipeline->finished, deadline, cancel, err);
    if (code == JF_OK)
        return JF_OK;
    return jf_prefix(err, "%s: %llu bytes read so far", jf_source_name(pipeline->source),
                     atomic_load(&pipeline->delivered_bytes));
}

enum jf_code jf_pipeline_result(const struct jf_pipeline *pipeline,
                                struct jf_pipeline_result *ret_result, struct jf_error *err) {
    // Reading the flag also makes what was written before it visible.
    if (!atomic_load(&pipeline->done)) {
        *ret_result = (struct jf_pipeline_result){0};
        return jf_fail(err, JF_TIMEOUT, "%s: is still being read",
                       jf_source_name(pipeline->source));
    }
    *ret_result = pipeline->result;
    if (pipeline->failure.code != JF_OK)
        *err = pipeline->failure;
    return pipeline->failure.code;
}

void jf_pipeline_stop(struct jf_pipeline *pipeline) {
    if (atomic_load(&pipeline->done))
        return;
    stop_work(pipeline, SIGTERM);
    if (pipeline->queue)
        jf_queue_abandon(pipeline->queue);
}
