// SPDX-License-Identifier: Apache-2.0
//
// A content that is produced while it is served: the bridge from a byte queue,
// whose writer has a thread of its own, to one connection. While the queue is
// empty the connection is suspended; the writer's call resumes it.
#ifndef JF_SERVE_HTTP_STREAM_H
#define JF_SERVE_HTTP_STREAM_H

#include <microhttpd.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/queue.h"

struct jf_http_stream;

// NULL when memory is out. Free with jf_http_stream_free once it is detached and
// has no connection.
struct jf_http_stream *jf_http_stream_new(struct jf_queue *queue, int64_t length);
void jf_http_stream_free(struct jf_http_stream *stream);

// Gives the queue up: its writer gets JF_CLOSED, a connection that reads is cut.
// After it the queue is not touched. Once is enough, more do no harm. Must not
// run on the server's thread.
void jf_http_stream_detach(struct jf_http_stream *stream);

// Server's thread: makes `connection` the one consumer; false when there is or
// was one already, and *ret_active then says which.
bool jf_http_stream_take(struct jf_http_stream *stream, struct MHD_Connection *connection,
                         bool *ret_active);

// Server's thread: the content's response; `on_free` runs with `context` when the
// library has done with it. NULL when memory is out.
struct MHD_Response *jf_http_stream_response(struct jf_http_stream *stream,
                                             MHD_ContentReaderFreeCallback on_free, void *context);

// Server's thread: the consumer's request has ended. Fills *err with why it was
// cut by this side, code JF_OK when it was not.
void jf_http_stream_release(struct jf_http_stream *stream, struct jf_error *err);

// Bytes that the consumer was given so far. Safe from any thread.
int64_t jf_http_stream_sent(struct jf_http_stream *stream);

#endif
