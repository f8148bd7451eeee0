// SPDX-License-Identifier: Apache-2.0
//
// An HTTP server of registered contents. Each name that the job registered is at
// "/TOKEN/NAME", with a random token per server; nothing else can be reached and
// nothing maps onto a directory. One thread (libmicrohttpd's) serves all
// clients; the functions here belong to the job's thread.
//
// Contents: a file (sent by the kernel, ranges, ETag), bytes (the same), a
// stream that is produced while it is served (one consumer), and a name that
// receives one upload. IPv4 only.
#ifndef JF_SERVE_HTTP_H
#define JF_SERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/queue.h"

#define JF_HTTP_NAME_SIZE 128 // longest name and a NUL
#define JF_HTTP_CLIENT_SIZE 24
#define JF_HTTP_TOKEN_SIZE 33 // 128 bits as lower-case digits and a NUL
#define JF_HTTP_UNKNOWN (-1)  // a size that is not known

struct jf_http;

struct jf_http_options {
    const char *host;          // an IPv4 address to listen on
    uint16_t port;             // 0: any free port
    unsigned idle_timeout_s;   // a connection without progress is closed; 0: never
    unsigned connection_limit; // more clients wait in the kernel's queue
};

enum jf_http_state { JF_HTTP_ACTIVE, JF_HTTP_DONE, JF_HTTP_FAILED };

// One request for a registered name, answered or refused.
struct jf_http_transfer {
    char name[JF_HTTP_NAME_SIZE];
    char client[JF_HTTP_CLIENT_SIZE]; // "address:port"
    char method[8];
    enum jf_http_state state; // a download is done when the kernel has its last byte
    unsigned status;          // HTTP's; 0 until it is known
    // Bytes of content that passed. While a file or bytes are sent, and when that
    // failed, it is what the client's kernel acknowledged, good to some 250 bytes.
    int64_t bytes;
    int64_t total; // bytes that this request is to carry, or JF_HTTP_UNKNOWN
    int64_t first_byte;
    double elapsed_s;
    char error[256]; // empty unless the state is JF_HTTP_FAILED
};

// Starts a server. On success the caller owns it and frees it with jf_http_stop.
enum jf_code jf_http_start(const struct jf_http_options *options, struct jf_http **ret_http,
                           struct jf_error *err);

// Cuts all transfers, detaches the streams (their writers get JF_CLOSED), removes
// what half uploads left, and frees the server. Accepts NULL.
void jf_http_stop(struct jf_http *http);

const char *jf_http_host(const struct jf_http *http);
uint16_t jf_http_port(const struct jf_http *http);
const char *jf_http_token(const struct jf_http *http);

// A name is 1 to 127 of A-Z a-z 0-9 . _ - and does not begin with a dot.
bool jf_http_is_name(const char *name);

// What may accompany a file or bytes; NULL members are absent.
struct jf_http_labels {
    const char *type;   // Content-Type; no control characters
    const char *sha256; // of the content, 64 digits: becomes the ETag
};

// The four ways to register a valid name. JF_IO with EEXIST when it is taken.
// A file is opened now; when its size or modification time changes later, it is
// refused instead of served.
enum jf_code jf_http_add_file(struct jf_http *http, const char *name, const char *path,
                              const struct jf_http_labels *labels, struct jf_error *err);
// Copies the bytes.
enum jf_code jf_http_add_bytes(struct jf_http *http, const char *name, const void *bytes,
                               size_t len, const struct jf_http_labels *labels,
                               struct jf_error *err);
// The server is the queue's only reader until the name is removed or the server
// stopped; the caller keeps the queue until then. With `length` known (not
// JF_HTTP_UNKNOWN) the last byte is held back until the writer has ended well,
// so that a client never sees a complete content of a failed writer; without it
// the connection is reset when the writer fails. That a client has left is
// noticed with the next bytes, not while the writer gives none.
enum jf_code jf_http_add_stream(struct jf_http *http, const char *name, struct jf_queue *queue,
                                int64_t length, const struct jf_http_labels *labels,
                                struct jf_error *err);
// Takes one PUT or POST of at most `limit_bytes` into the file `path` (mode 0600,
// replaced only when all has arrived).
enum jf_code jf_http_receive(struct jf_http *http, const char *name, const char *path,
                             int64_t limit_bytes, struct jf_error *err);

// Takes the name away; false when there was none. A stream or upload under way is
// cut, a file or bytes being sent run to their end. After it the server does not
// touch the stream's queue.
bool jf_http_remove(struct jf_http *http, const char *name);

// From now on only this IPv4 address is answered, others get 403; NULL: all are.
// False when `address` is none.
bool jf_http_only(struct jf_http *http, const char *address);

// Requests that arrived, also those refused.
uint64_t jf_http_requests(struct jf_http *http);

// Copies the history, oldest first: all transfers under way and those that ended
// most lately, 256 in all. The caller frees *ret_list. False when memory is out.
bool jf_http_transfers(struct jf_http *http, struct jf_http_transfer **ret_list, size_t *ret_count);

// The latest transfer of `name` since it was registered: HEAD and refusals (but
// for 413) do not count.
// False when there was none.
bool jf_http_progress(struct jf_http *http, const char *name, struct jf_http_transfer *ret);

// Waits until a transfer of `name` has ended, well or not, and none is under way.
enum jf_code jf_http_wait(struct jf_http *http, const char *name, jf_deadline deadline,
                          const struct jf_cancel *cancel, struct jf_http_transfer *ret,
                          struct jf_error *err);

// What a name has received; false while that is not complete.
bool jf_http_received(struct jf_http *http, const char *name, int64_t *ret_bytes,
                      char ret_sha256[JF_SHA256_HEX_SIZE]);

#endif
