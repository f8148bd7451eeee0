// SPDX-License-Identifier: Apache-2.0
//
// What the two threads of a pipeline share: the giver reads and decodes
// (pipeline_giver.c), the taker hashes and passes on (pipeline.c). What the giver
// writes (giver_err, hint, format, counts) the taker reads after joining it, and
// everybody else once `done` is set.
#ifndef JF_IMAGE_PIPELINE_INTERNAL_H
#define JF_IMAGE_PIPELINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/wait.h"
#include "image/decoder.h"
#include "image/pipeline.h"
#include "image/relay.h"

// Small enough to stay in the processor's cache, enough for both threads to work
// at once while they take turns.
#define PIECE_SIZE ((size_t)128 << 10)
#define PIECE_COUNT 12
// For decompressors that want more room: the largest block of lz4.
#define LARGE_PIECE_SIZE ((size_t)4 << 20)
#define LARGE_PIECE_COUNT 3

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

static inline bool decodes(const struct jf_pipeline *p) {
    return p->format != JF_FORMAT_RAW && !p->options.skip_decode;
}

static inline bool passes_on(const struct jf_pipeline *p, int kind) {
    return (p->options.sink == JF_SINK_DELIVERED && (kind & PIECE_DELIVERED)) ||
           (p->options.sink == JF_SINK_DECODED && (kind & PIECE_DECODED));
}

// The giver's thread.
void *jf_pipeline_give(void *pipeline);

#endif
