// SPDX-License-Identifier: Apache-2.0
#include "serve/content.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct jf_content {
    atomic_uint refs;
    int fd; // -1: the bytes are in `bytes`
    uint64_t size;
    struct timespec changed; // the file's mtime when it was opened
    char *path;              // for messages
    unsigned char bytes[];
};

static struct jf_content *content_new(size_t bytes) {
    struct jf_content *content = calloc(1, sizeof *content + bytes);
    if (!content)
        return NULL;
    atomic_init(&content->refs, 1);
    content->fd = -1;
    return content;
}

static enum jf_code adopt_file(struct jf_content *content, const char *path, struct jf_error *err) {
    struct stat info;
    // Without O_NONBLOCK a FIFO would wait for its writer.
    content->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (content->fd < 0)
        return jf_fail_errno(err, errno, "open %s", path);
    if (fstat(content->fd, &info) != 0)
        return jf_fail_errno(err, errno, "stat %s", path);
    if (!S_ISREG(info.st_mode))
        return jf_fail(err, JF_UNSUPPORTED, "%s is not a regular file", path);
    content->size = (uint64_t)info.st_size;
    content->changed = info.st_mtim;
    return JF_OK;
}

enum jf_code jf_content_open_file(const char *path, struct jf_content **ret_content,
                                  struct jf_error *err) {
    struct jf_content *content = content_new(0);
    if (content)
        content->path = strdup(path);
    enum jf_code code = content && content->path ? adopt_file(content, path, err)
                                                 : jf_fail(err, JF_LIMIT, "not enough memory");
    if (code == JF_OK)
        *ret_content = content;
    else
        jf_content_unref(content);
    return code;
}

struct jf_content *jf_content_from_bytes(const void *bytes, size_t len) {
    struct jf_content *content = content_new(len);
    if (!content)
        return NULL;
    if (len > 0)
        memcpy(content->bytes, bytes, len);
    content->size = len;
    return content;
}

struct jf_content *jf_content_ref(struct jf_content *content) {
    atomic_fetch_add_explicit(&content->refs, 1, memory_order_relaxed);
    return content;
}

void jf_content_unref(struct jf_content *content) {
    if (!content || atomic_fetch_sub_explicit(&content->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (content->fd >= 0)
        close(content->fd);
    free(content->path);
    free(content);
}

uint64_t jf_content_size(const struct jf_content *content) {
    return content->size;
}

int jf_content_fd(const struct jf_content *content) {
    return content->fd;
}

enum jf_code jf_content_pread(const struct jf_content *content, void *bytes, size_t len,
                              uint64_t offset, struct jf_error *err) {
    assert(offset <= content->size && len <= content->size - offset);
    if (content->fd < 0) {
        memcpy(bytes, content->bytes + offset, len);
        return JF_OK;
    }
    for (size_t done = 0; done < len;) {
        ssize_t got = pread(content->fd, (char *)bytes + done, len - done, (off_t)(offset + done));
        if (got < 0 && errno != EINTR)
            return jf_fail_errno(err, errno, "read %s at %" PRIu64, content->path, offset + done);
        if (got == 0)
            return jf_fail(err, JF_CLOSED, "%s ends at %" PRIu64 ", it had %" PRIu64 " bytes",
                           content->path, offset + done, content->size);
        done += got > 0 ? (size_t)got : 0;
    }
    return JF_OK;
}

enum jf_code jf_content_check(const struct jf_content *content, struct jf_error *err) {
    struct stat info;
    if (content->fd < 0)
        return JF_OK;
    if (fstat(content->fd, &info) != 0)
        return jf_fail_errno(err, errno, "stat %s", content->path);
    if ((uint64_t)info.st_size != content->size || info.st_mtim.tv_sec != content->changed.tv_sec ||
        info.st_mtim.tv_nsec != content->changed.tv_nsec)
        return jf_fail(err, JF_CHECKSUM, "%s changed after it was opened", content->path);
    return JF_OK;
}
