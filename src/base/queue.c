// SPDX-License-Identifier: Apache-2.0
#include "base/queue.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct jf_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t capacity;
    size_t start; // index of the oldest byte
    size_t used;
    bool ended;
    bool abandoned;
    bool starved; // the last read gave nothing: the reader wants a call
    bool failed;
    struct jf_error failure;
    // Held while `wake` runs, so that taking it away can wait for the call.
    pthread_mutex_t wake_lock;
    void (*wake)(void *context);
    void *wake_context;
    unsigned char bytes[];
};

struct jf_queue *jf_queue_new(size_t capacity) {
    struct jf_queue *queue = calloc(1, sizeof *queue + capacity);
    if (!queue)
        return NULL;
    queue->capacity = capacity;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_mutex_init(&queue->wake_lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
    return queue;
}

void jf_queue_free(struct jf_queue *queue) {
    if (!queue)
        return;
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->wake_lock);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t put(struct jf_queue *queue, const unsigned char *bytes, size_t len) {
    size_t end = (queue->start + queue->used) % queue->capacity;
    size_t count = smaller(len, queue->capacity - queue->used);
    size_t first = smaller(count, queue->capacity - end);
    memcpy(queue->bytes + end, bytes, first);
    memcpy(queue->bytes, bytes + first, count - first);
    queue->used += count;
    return count;
}

static size_t take(struct jf_queue *queue, unsigned char *bytes, size_t len) {
    size_t count = smaller(len, queue->used);
    size_t first = smaller(count, queue->capacity - queue->start);
    memcpy(bytes, queue->bytes + queue->start, first);
    memcpy(bytes + first, queue->bytes, count - first);
    queue->start = (queue->start + count) % queue->capacity;
    queue->used -= count;
    return count;
}

static void call_wake(struct jf_queue *queue) {
    pthread_mutex_lock(&queue->wake_lock);
    if (queue->wake)
        queue->wake(queue->wake_context);
    pthread_mutex_unlock(&queue->wake_lock);
}

// Tells the reader of a change; the caller holds the lock, which is given up.
static void announce(struct jf_queue *queue) {
    bool starved = queue->starved;
    queue->starved = false;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    if (starved)
        call_wake(queue);
}

enum jf_code jf_queue_write(struct jf_queue *queue, const void *bytes, size_t len) {
    const unsigned char *next = bytes;
    while (len > 0) {
        pthread_mutex_lock(&queue->lock);
        while (queue->used == queue->capacity && !queue->abandoned)
            pthread_cond_wait(&queue->changed, &queue->lock);
        if (queue->abandoned) {
            pthread_mutex_unlock(&queue->lock);
            return JF_CLOSED;
        }
        size_t count = put(queue, next, len);
        announce(queue);
        next += count;
        len -= count;
    }
    return JF_OK;
}

void jf_queue_end(struct jf_queue *queue, const struct jf_error *err) {
    pthread_mutex_lock(&queue->lock);
    queue->ended = true;
    queue->failed = err != NULL;
    if (err)
        queue->failure = *err;
    announce(queue);
}

enum jf_code jf_queue_read(struct jf_queue *queue, void *bytes, size_t len, bool wait,
                           size_t *ret_len, struct jf_error *err) {
    pthread_mutex_lock(&queue->lock);
    while (wait && !queue->used && !queue->ended)
        pthread_cond_wait(&queue->changed, &queue->lock);
    *ret_len = take(queue, bytes, len);
    bool at_end = !*ret_len && queue->ended;
    enum jf_code code = JF_OK;
    if (at_end && queue->failed) {
        code = queue->failure.code;
        if (err)
            *err = queue->failure;
    } else if (at_end) {
        code = JF_CLOSED;
    }
    queue->starved = !*ret_len && !queue->ended;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    return code;
}

void jf_queue_abandon(struct jf_queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->abandoned = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

void jf_queue_on_ready(struct jf_queue *queue, void (*wake)(void *context), void *context) {
    pthread_mutex_lock(&queue->wake_lock);
    queue->wake = wake;
    queue->wake_context = context;
    pthread_mutex_unlock(&queue->wake_lock);
}
