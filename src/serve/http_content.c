// SPDX-License-Identifier: Apache-2.0
#include "serve/http_content.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"

#define DEFAULT_TYPE "application/octet-stream"

struct jf_http_content *jf_http_content_new(enum jf_http_kind kind, const char *name,
                                            const struct jf_http_labels *labels) {
    struct jf_http_content *content = calloc(1, sizeof *content);
    if (!content)
        return NULL;
    content->kind = kind;
    content->fd = -1;
    content->size = JF_HTTP_UNKNOWN;
    atomic_init(&content->references, 1);
    snprintf(content->name, sizeof content->name, "%s", name);
    if (labels && labels->sha256)
        snprintf(content->etag, sizeof content->etag, "\"%.64s\"", labels->sha256);
    content->type = strdup(labels && labels->type ? labels->type : DEFAULT_TYPE);
    if (content->type)
        return content;
    free(content);
    return NULL;
}

struct jf_http_content *jf_http_content_ref(struct jf_http_content *content) {
    atomic_fetch_add(&content->references, 1);
    return content;
}

void jf_http_content_unref(struct jf_http_content *content) {
    if (!content || atomic_fetch_sub(&content->references, 1) > 1)
        return;
    if (content->fd >= 0)
        close(content->fd);
    jf_http_stream_free(content->stream);
    free(content->bytes);
    free(content->path);
    free(content->type);
    free(content);
}

enum jf_code jf_http_content_open(struct jf_http_content *content, const char *path,
                                  struct jf_error *err) {
    struct stat *identity = &content->identity;
    // Without O_NONBLOCK a fifo would block here.
    content->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (content->fd < 0)
        return jf_fail_errno(err, errno, "%s: open", path);
    if (fstat(content->fd, identity) != 0)
        return jf_fail_errno(err, errno, "%s: stat", path);
    if (!S_ISREG(identity->st_mode))
        return jf_fail(err, JF_UNSUPPORTED, "%s: only a regular file can be served", path);
    content->size = identity->st_size;
    if (!content->etag[0])
        snprintf(content->etag, sizeof content->etag, "\"%jx-%jx-%jx-%jx.%lx\"",
                 (uintmax_t)identity->st_dev, (uintmax_t)identity->st_ino,
                 (uintmax_t)identity->st_size, (uintmax_t)identity->st_mtim.tv_sec,
                 (unsigned long)identity->st_mtim.tv_nsec);
    return JF_OK;
}

bool jf_http_content_copy(struct jf_http_content *content, const void *bytes, size_t len) {
    struct jf_digest *digest = jf_digest_new();
    char hex[JF_SHA256_HEX_SIZE];
    content->bytes = malloc(len ? len : 1);
    if (!content->bytes || !digest) {
        jf_digest_free(digest);
        return false;
    }
    memcpy(content->bytes, bytes, len);
    content->size = (int64_t)len;
    jf_digest_update(digest, bytes, len);
    jf_digest_hex(digest, hex);
    jf_digest_free(digest);
    snprintf(content->etag, sizeof content->etag, "\"%s\"", hex);
    return true;
}

bool jf_http_content_unchanged(const struct jf_http_content *content) {
    struct stat now;
    return fstat(content->fd, &now) == 0 && now.st_size == content->identity.st_size &&
           now.st_mtim.tv_sec == content->identity.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == content->identity.st_mtim.tv_nsec;
}
