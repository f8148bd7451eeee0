// SPDX-License-Identifier: Apache-2.0
//
// One registered name and what is behind it. Contents are counted: the table and
// each request that uses one hold a reference.
#ifndef JF_SERVE_HTTP_CONTENT_H
#define JF_SERVE_HTTP_CONTENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "serve/http.h"
#include "serve/http_stream.h"

enum jf_http_kind { JF_HTTP_FILE, JF_HTTP_BYTES, JF_HTTP_STREAM, JF_HTTP_UPLOAD };

struct jf_http_content {
    struct jf_http_content *next; // in the server's table
    atomic_uint references;
    enum jf_http_kind kind;
    char name[JF_HTTP_NAME_SIZE];
    char *type;
    char etag[96]; // with its quotes; empty when there is none
    int64_t size;  // or JF_HTTP_UNKNOWN
    // A file's.
    int fd; // or -1
    struct stat identity;
    // Bytes'.
    void *bytes;
    // A stream's.
    struct jf_http_stream *stream;
    // An upload's; the server's lock guards all but the path and the limit.
    char *path;
    int64_t limit;
    bool removed;   // no longer wanted
    bool receiving; // a request is at it
    bool received;
    int64_t received_bytes;
    char received_sha256[JF_SHA256_HEX_SIZE];
};

// A content with one reference and nothing behind it; NULL when memory is out.
struct jf_http_content *jf_http_content_new(enum jf_http_kind kind, const char *name,
                                            const struct jf_http_labels *labels);

struct jf_http_content *jf_http_content_ref(struct jf_http_content *content);
// Accepts NULL. The last one frees; a stream must be detached by then.
void jf_http_content_unref(struct jf_http_content *content);

// Fills a file's content: opens it and makes its ETag when it has none.
enum jf_code jf_http_content_open(struct jf_http_content *content, const char *path,
                                  struct jf_error *err);

// Fills a bytes' content with a copy. False when memory is out.
bool jf_http_content_copy(struct jf_http_content *content, const void *bytes, size_t len);

// Whether the file still is what was opened.
bool jf_http_content_unchanged(const struct jf_http_content *content);

#endif
