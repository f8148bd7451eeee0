// SPDX-License-Identifier: Apache-2.0
//
// The transfers of one server: those under way and the latest that ended. Has no
// lock: the server's guards it.
#ifndef JF_SERVE_HTTP_HISTORY_H
#define JF_SERVE_HTTP_HISTORY_H

#include "serve/http.h"
#include "serve/http_stream.h"

#define JF_HTTP_HISTORY 256 // entries kept; more only while more are under way

struct jf_http_record {
    struct jf_http_record *older;
    struct jf_http_record *newer;
    struct jf_http_transfer info;
    int64_t started_ns;
    // While it is the kernel that sends: the connection, and what its peer had
    // acknowledged before this request.
    int socket_fd; // or -1
    uint64_t acked_before;
    // While a stream is served, it; the request keeps it alive.
    struct jf_http_stream *stream;
    bool counts; // for jf_http_progress
};

// Zero-initialise it.
struct jf_http_history {
    struct jf_http_record *oldest;
    struct jf_http_record *newest;
    size_t count;
};

void jf_http_history_clear(struct jf_http_history *history);

// Adds an active transfer and forgets the oldest that ended when there are too
// many. The record stays valid until it has ended. NULL when memory is out.
struct jf_http_record *jf_http_history_begin(struct jf_http_history *history,
                                             const struct jf_http_transfer *info);

// From now on the bytes are read off the socket, which must stay open until the
// record ends.
void jf_http_record_watch(struct jf_http_record *record, int socket_fd);

// `error` NULL: it went well.
void jf_http_record_end(struct jf_http_record *record, const char *error);

// The record's transfer as of now.
struct jf_http_transfer jf_http_record_now(const struct jf_http_record *record);

// The newest record of `name` that counts; NULL when there is none.
const struct jf_http_record *jf_http_history_find(const struct jf_http_history *history,
                                                  const char *name);

// A name that is registered anew starts afresh: its records no longer count.
void jf_http_history_forget(struct jf_http_history *history, const char *name);

// Whether a transfer of `name` that counts is under way.
bool jf_http_history_busy(const struct jf_http_history *history, const char *name);

#endif
