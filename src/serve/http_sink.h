// SPDX-License-Identifier: Apache-2.0
//
// A file that is being received: a temporary file beside the final name (mode
// 0600) that takes its place only when all has arrived.
#ifndef JF_SERVE_HTTP_SINK_H
#define JF_SERVE_HTTP_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

struct jf_http_sink;

// On success the caller owns the sink and frees it with jf_http_sink_free.
enum jf_code jf_http_sink_open(const char *path, int64_t limit_bytes, struct jf_http_sink **ret,
                               struct jf_error *err);

// Appends. JF_LIMIT when that would exceed the limit; nothing is written then.
enum jf_code jf_http_sink_write(struct jf_http_sink *sink, const void *bytes, size_t len,
                                struct jf_error *err);

// Gives the file its name. After it only jf_http_sink_free is allowed.
enum jf_code jf_http_sink_commit(struct jf_http_sink *sink, int64_t *ret_bytes,
                                 char ret_sha256[JF_SHA256_HEX_SIZE], struct jf_error *err);

// Removes the temporary file unless it was committed. Accepts NULL.
void jf_http_sink_free(struct jf_http_sink *sink);

#endif
