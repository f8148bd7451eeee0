// SPDX-License-Identifier: Apache-2.0
#include "serve/http_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct jf_http_sink {
    char *path;
    char *temporary; // NULL once the file has its name
    int fd;
    int64_t limit;
    int64_t bytes;
    struct jf_digest *digest;
};

void jf_http_sink_free(struct jf_http_sink *sink) {
    if (!sink)
        return;
    if (sink->fd >= 0)
        close(sink->fd);
    if (sink->fd >= 0 && sink->temporary)
        unlink(sink->temporary);
    jf_digest_free(sink->digest);
    free(sink->temporary);
    free(sink->path);
    free(sink);
}

static struct jf_http_sink *new_sink(const char *path, int64_t limit_bytes) {
    struct jf_http_sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return NULL;
    *sink = (struct jf_http_sink){.fd = -1, .limit = limit_bytes};
    sink->digest = jf_digest_new();
    if (asprintf(&sink->path, "%s", path) < 0)
        sink->path = NULL;
    if (asprintf(&sink->temporary, "%s.XXXXXX", path) < 0)
        sink->temporary = NULL;
    if (sink->digest && sink->path && sink->temporary)
        return sink;
    jf_http_sink_free(sink);
    return NULL;
}

enum jf_code jf_http_sink_open(const char *path, int64_t limit_bytes, struct jf_http_sink **ret,
                               struct jf_error *err) {
    struct jf_http_sink *sink = new_sink(path, limit_bytes);
    if (!sink)
        return jf_fail(err, JF_LIMIT, "%s: not enough memory", path);
    sink->fd = mkostemp(sink->temporary, O_CLOEXEC);
    if (sink->fd < 0) {
        jf_fail_errno(err, errno, "%s: create", sink->temporary);
        jf_http_sink_free(sink);
        return JF_IO;
    }
    *ret = sink;
    return JF_OK;
}

enum jf_code jf_http_sink_write(struct jf_http_sink *sink, const void *bytes, size_t len,
                                struct jf_error *err) {
    const char *next = bytes;
    if ((uint64_t)len > (uint64_t)(sink->limit - sink->bytes))
        return jf_fail(err, JF_LIMIT, "%s: upload is larger than the limit of %" PRId64 " bytes",
                       sink->path, sink->limit);
    jf_digest_update(sink->digest, bytes, len);
    sink->bytes += (int64_t)len;
    while (len > 0) {
        ssize_t count = write(sink->fd, next, len);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return jf_fail_errno(err, errno, "%s: write", sink->temporary);
        next += count;
        len -= (size_t)count;
    }
    return JF_OK;
}

enum jf_code jf_http_sink_commit(struct jf_http_sink *sink, int64_t *ret_bytes,
                                 char ret_sha256[JF_SHA256_HEX_SIZE], struct jf_error *err) {
    if (rename(sink->temporary, sink->path) != 0)
        return jf_fail_errno(err, errno, "%s: rename to %s", sink->temporary, sink->path);
    free(sink->temporary);
    sink->temporary = NULL;
    *ret_bytes = sink->bytes;
    jf_digest_hex(sink->digest, ret_sha256);
    return JF_OK;
}
