// SPDX-License-Identifier: Apache-2.0
//
// The object, and the thread that hashes and passes on.
#include "image/pipeline.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "image/pipeline_internal.h"

#define QUEUE_CAPACITY ((size_t)4 << 20)

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
    int failed = pthread_create(&p->giver, NULL, jf_pipeline_give, p);
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
