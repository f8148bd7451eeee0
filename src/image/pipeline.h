// SPDX-License-Identifier: Apache-2.0
//
// Reads a source from start to end, hashes it as delivered and as decoded, and
// passes it on: to nobody (that proves it) or into a queue. Two threads of its
// own: one reads and decodes, the other hashes and passes on, so that a fast
// decompressor does not wait for SHA-256 (and liblzma adds threads for xz).
//
//     jf_pipeline_start(source, &options, &pipeline, &err)
//     … the reader takes bytes from jf_pipeline_queue(pipeline) until its end …
//     jf_pipeline_wait(pipeline, deadline, cancel, &err)
//     jf_pipeline_result(pipeline, &result, &err)
//     jf_pipeline_unref(pipeline)
#ifndef JF_IMAGE_PIPELINE_H
#define JF_IMAGE_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/queue.h"
#include "image/format.h"
#include "image/source.h"

struct jf_pipeline;

enum jf_sink {
    JF_SINK_NONE,      // only prove
    JF_SINK_DELIVERED, // the queue gets the bytes as they are in the source
    JF_SINK_DECODED,   // the queue gets the image
};

struct jf_pipeline_options {
    enum jf_format format;   // JF_FORMAT_AUTO: by its first bytes
    unsigned threads;        // for xz; 0: as many as there are processors
    uint64_t memlimit_bytes; // for the decompressor; 0: JF_PIPELINE_MEMLIMIT
    enum jf_sink sink;
    size_t capacity_bytes; // of the queue; 0: 4 MiB
    bool skip_decode;      // JF_SINK_DELIVERED or NONE: do not even decode
    bool skip_digest;      // compute no SHA-256
    // Empty, or the SHA-256 that the delivered bytes must have.
    char delivered_sha256[JF_SHA256_HEX_SIZE];
};

#define JF_PIPELINE_MEMLIMIT (UINT64_C(512) << 20)

struct jf_pipeline_progress {
    uint64_t delivered_bytes;
    uint64_t decoded_bytes;
    bool done;   // successfully or not
    bool failed; // only with `done`
};

struct jf_pipeline_result {
    enum jf_format format;
    uint64_t delivered_bytes;
    uint64_t decoded_bytes;                    // 0 when nothing was decoded
    char delivered_sha256[JF_SHA256_HEX_SIZE]; // empty when it was not computed
    char decoded_sha256[JF_SHA256_HEX_SIZE];
    double elapsed_s;
    // With an error of JF_UNSUPPORTED: how to convert the image; else empty.
    char hint[JF_HINT_SIZE];
};

// Starts the threads; takes a reference to the source. The caller owns one
// reference to the pipeline. JF_UNSUPPORTED when the source can be read only
// once and was.
enum jf_code jf_pipeline_start(struct jf_source *source, const struct jf_pipeline_options *options,
                               struct jf_pipeline **ret_pipeline, struct jf_error *err);

// Each holder drops its own reference; the last one stops the pipeline, which
// takes up to a tenth of a second, and frees it with its queue. Any thread but
// the pipeline's own (the queue's wake function runs there).
struct jf_pipeline *jf_pipeline_ref(struct jf_pipeline *pipeline);
void jf_pipeline_unref(struct jf_pipeline *pipeline); // accepts NULL

// The queue that the sink fills; NULL with JF_SINK_NONE. Lives as long as the
// pipeline. It ends with the pipeline's error when that failed, also when all
// bytes were passed on but their digest was wrong; an error that is JF_CLOSED
// here is JF_PROTOCOL there, since a reader takes JF_CLOSED for the proper end.
struct jf_queue *jf_pipeline_queue(struct jf_pipeline *pipeline);

// How many bytes the sink will pass on, when that is known from the start; else -1.
int64_t jf_pipeline_sink_size(const struct jf_pipeline *pipeline);

// Any thread, any time.
void jf_pipeline_progress(const struct jf_pipeline *pipeline,
                          struct jf_pipeline_progress *ret_progress);

// Waits until all is read and passed on, or has failed (both JF_OK: ask
// jf_pipeline_result). `cancel` may be NULL. One thread at a time.
enum jf_code jf_pipeline_wait(struct jf_pipeline *pipeline, jf_deadline deadline,
                              const struct jf_cancel *cancel, struct jf_error *err);

// What came out, once it is done (before: JF_TIMEOUT): JF_OK, or why it failed.
// The result is filled as far as things went.
enum jf_code jf_pipeline_result(const struct jf_pipeline *pipeline,
                                struct jf_pipeline_result *ret_result, struct jf_error *err);

// Ends it soon, as failed with JF_CANCELLED, unless it is done. Any thread.
void jf_pipeline_stop(struct jf_pipeline *pipeline);

#endif
