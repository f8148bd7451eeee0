// SPDX-License-Identifier: Apache-2.0
//
// Two locks meet here: the writer calls wake() holding the queue's wake lock, and
// wake() takes this stream's. So nothing here touches the wake lock
// (jf_queue_on_ready) while it holds the stream's.
#include "serve/http_stream.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "serve/http.h"

#define BLOCK_BYTES 65536

struct jf_http_stream {
    pthread_mutex_t lock;
    struct jf_queue *queue; // NULL once detached
    struct MHD_Connection *connection;
    bool taken; // a consumer came, once and for all
    bool suspended;
    int64_t length; // or JF_HTTP_UNKNOWN
    int64_t sent;
    // Of a content with known length: its last byte, until the writer has ended,
    // and room to see one too many.
    unsigned char held[2];
    size_t held_count;
    struct jf_error failure; // why the connection was cut
    MHD_ContentReaderFreeCallback on_free;
    void *free_context;
};

static void resume_locked(struct jf_http_stream *stream) {
    if (stream->suspended)
        MHD_resume_connection(stream->connection);
    stream->suspended = false;
}

// Runs on the writer's thread.
static void wake(void *context) {
    struct jf_http_stream *stream = context;
    pthread_mutex_lock(&stream->lock);
    resume_locked(stream);
    pthread_mutex_unlock(&stream->lock);
}

struct jf_http_stream *jf_http_stream_new(struct jf_queue *queue, int64_t length) {
    struct jf_http_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    // A response of no bytes would never ask whether the writer ended well.
    *stream =
        (struct jf_http_stream){.queue = queue, .length = length > 0 ? length : JF_HTTP_UNKNOWN};
    pthread_mutex_init(&stream->lock, NULL);
    jf_queue_on_ready(queue, wake, stream);
    return stream;
}

void jf_http_stream_free(struct jf_http_stream *stream) {
    if (!stream)
        return;
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}

void jf_http_stream_detach(struct jf_http_stream *stream) {
    // Only this function, on one thread, changes `queue`: no lock to read it.
    if (!stream->queue)
        return;
    jf_queue_on_ready(stream->queue, NULL, NULL);
    pthread_mutex_lock(&stream->lock);
    jf_queue_abandon(stream->queue);
    stream->queue = NULL;
    resume_locked(stream);
    pthread_mutex_unlock(&stream->lock);
}

bool jf_http_stream_take(struct jf_http_stream *stream, struct MHD_Connection *connection,
                         bool *ret_active) {
    pthread_mutex_lock(&stream->lock);
    bool free_to_take = !stream->taken;
    *ret_active = stream->connection != NULL;
    if (free_to_take)
        stream->connection = connection;
    stream->taken = true;
    pthread_mutex_unlock(&stream->lock);
    return free_to_take;
}

// A plain close would look like the proper end to a client of HTTP/1.0, whose
// content ends with the connection: it gets a reset instead.
static ssize_t cut(struct jf_http_stream *stream) {
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(stream->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info)
        (void)connect(info->connect_fd, &none, sizeof none);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static ssize_t pause_until_ready(struct jf_http_stream *stream) {
    stream->suspended = true;
    MHD_suspend_connection(stream->connection);
    return 0;
}

// The last byte of a known length goes out only after the writer's proper end.
static ssize_t read_last(struct jf_http_stream *stream, char *bytes) {
    struct jf_error *err = &stream->failure;
    enum jf_code code = JF_OK;
    while (stream->held_count < sizeof stream->held && code == JF_OK) {
        size_t count;
        code = jf_queue_read(stream->queue, stream->held + stream->held_count,
                             sizeof stream->held - stream->held_count, false, &count, err);
        if (code == JF_OK && count == 0)
            return pause_until_ready(stream);
        stream->held_count += count;
    }
    if (code == JF_CLOSED && stream->held_count == 1) {
        bytes[0] = (char)stream->held[0];
        stream->sent++;
        return 1;
    }
    if (code == JF_OK)
        jf_fail(err, JF_PROTOCOL, "the producer gave more than the %" PRId64 " bytes announced",
                stream->length);
    if (code == JF_CLOSED)
        jf_fail(err, JF_CLOSED, "the producer ended after %" PRId64 " of %" PRId64 " bytes",
                stream->sent, stream->length);
    return cut(stream);
}

static ssize_t read_more(struct jf_http_stream *stream, char *bytes, size_t len) {
    size_t count;
    enum jf_code code = jf_queue_read(stream->queue, bytes, len, false, &count, &stream->failure);
    if (code == JF_OK && count == 0)
        return pause_until_ready(stream);
    if (code == JF_OK) {
        stream->sent += (int64_t)count;
        return (ssize_t)count;
    }
    if (code == JF_CLOSED && stream->length == JF_HTTP_UNKNOWN)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (code == JF_CLOSED)
        jf_fail(&stream->failure, JF_CLOSED,
                "the producer ended after %" PRId64 " of %" PRId64 " bytes", stream->sent,
                stream->length);
    return cut(stream);
}

static ssize_t read_locked(struct jf_http_stream *stream, char *bytes, size_t len) {
    if (!stream->queue) {
        jf_fail(&stream->failure, JF_CANCELLED, "the content was taken away");
        return cut(stream);
    }
    if (stream->length == JF_HTTP_UNKNOWN)
        return read_more(stream, bytes, len);
    size_t before_last = (size_t)(stream->length - stream->sent - 1);
    if (before_last == 0)
        return read_last(stream, bytes);
    return read_more(stream, bytes, len < before_last ? len : before_last);
}

static ssize_t on_read(void *context, uint64_t position, char *bytes, size_t len) {
    struct jf_http_stream *stream = context;
    (void)position;
    pthread_mutex_lock(&stream->lock);
    ssize_t count = read_locked(stream, bytes, len);
    pthread_mutex_unlock(&stream->lock);
    return count;
}

static void on_response_free(void *context) {
    struct jf_http_stream *stream = context;
    stream->on_free(stream->free_context);
}

struct MHD_Response *jf_http_stream_response(struct jf_http_stream *stream,
                                             MHD_ContentReaderFreeCallback on_free, void *context) {
    uint64_t size = stream->length == JF_HTTP_UNKNOWN ? MHD_SIZE_UNKNOWN : (uint64_t)stream->length;
    stream->on_free = on_free;
    stream->free_context = context;
    return MHD_create_response_from_callback(size, BLOCK_BYTES, on_read, stream, on_response_free);
}

void jf_http_stream_release(struct jf_http_stream *stream, struct jf_error *err) {
    pthread_mutex_lock(&stream->lock);
    *err = stream->failure;
    stream->connection = NULL;
    stream->suspended = false;
    if (stream->queue)
        jf_queue_abandon(stream->queue);
    pthread_mutex_unlock(&stream->lock);
}

int64_t jf_http_stream_sent(struct jf_http_stream *stream) {
    pthread_mutex_lock(&stream->lock);
    int64_t sent = stream->sent;
    pthread_mutex_unlock(&stream->lock);
    return sent;
}
