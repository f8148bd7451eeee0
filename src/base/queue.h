// SPDX-License-Identifier: Apache-2.0
//
// A bounded queue of bytes between two threads: one writes, one reads. It says
// "full" and "empty" instead of growing, so memory is bounded whatever the speed
// of either side.
#ifndef JF_BASE_QUEUE_H
#define JF_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct jf_queue;

// A queue of `capacity` bytes; NULL when memory is out. Free it with
// jf_queue_free (accepts NULL) once neither side uses it.
struct jf_queue *jf_queue_new(size_t capacity);
void jf_queue_free(struct jf_queue *queue);

// Writer: appends all of `bytes`, waiting while the queue is full. JF_CLOSED when
// the reader has gone.
enum jf_code jf_queue_write(struct jf_queue *queue, const void *bytes, size_t len);

// Writer: no more bytes come. `err` NULL means a proper end; else the reader gets
// this error behind the last byte.
void jf_queue_end(struct jf_queue *queue, const struct jf_error *err);

// Reader: takes up to `len` bytes. Without `wait` it returns at once. *ret_len is
// 0 with JF_OK for "nothing yet" (only without `wait`); JF_CLOSED at the proper
// end; the writer's error, in `err`, when it ended so.
enum jf_code jf_queue_read(struct jf_queue *queue, void *bytes, size_t len, bool wait,
                           size_t *ret_len, struct jf_error *err);

// Reader: goes away; a waiting writer is woken and gets JF_CLOSED.
void jf_queue_abandon(struct jf_queue *queue);

// Reader that does not wait: `wake` is called, from the writer's thread and
// without the queue's lock, when bytes or the end arrive after a read that gave
// nothing. Set before the writer starts, or NULL to take it away (no call is
// under way when that returns).
void jf_queue_on_ready(struct jf_queue *queue, void (*wake)(void *context), void *context);

#endif
