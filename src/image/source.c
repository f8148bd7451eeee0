// SPDX-License-Identifier: Apache-2.0
#include "image/source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/wait.h"

struct jf_source {
    atomic_uint references;
    int fd;
    char *name;
    bool from_path;
    bool regular;
    struct stat identity;
    uint64_t start; // position in the file where the image begins
    uint64_t size;
    atomic_bool claimed;
    // What was read ahead of what cannot be read again; `consumed` counts all
    // bytes taken from the descriptor.
    struct jf_buf kept;
    uint64_t consumed;
    struct jf_growing growing; // `owner` NULL: none
};

static struct jf_source *new_source(int fd, const char *name) {
    struct jf_source *source = calloc(1, sizeof *source);
    if (!source)
        return NULL;
    atomic_init(&source->references, 1);
    source->fd = fd;
    source->name = strdup(name);
    return source;
}

struct jf_source *jf_source_ref(struct jf_source *source) {
    atomic_fetch_add(&source->references, 1);
    return source;
}

void jf_source_unref(struct jf_source *source) {
    if (!source || atomic_fetch_sub(&source->references, 1) != 1)
        return;
    if (source->fd >= 0)
        close(source->fd);
    if (source->growing.owner)
        source->growing.unref(source->growing.owner);
    jf_buf_free(&source->kept);
    free(source->name);
    free(source);
}

static const char *kind_of(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a directory";
    case S_IFBLK:
        return "a block device";
    case S_IFCHR:
        return "a character device";
    default:
        return "no regular file";
    }
}

static enum jf_code examine_regular(struct jf_source *source, struct jf_error *err) {
    source->regular = true;
    off_t at = source->from_path ? 0 : lseek(source->fd, 0, SEEK_CUR);
    if (at < 0)
        return jf_fail_errno(err, errno, "%s: cannot tell the position", source->name);
    source->start = (uint64_t)at;
    if (at >= source->identity.st_size)
        return jf_fail(err, JF_CLOSED, "%s: is empty", source->name);
    source->size = (uint64_t)(source->identity.st_size - at);
    return JF_OK;
}

static enum jf_code examine(struct jf_source *source, struct jf_error *err) {
    if (!source->name)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    if (fstat(source->fd, &source->identity) < 0)
        return jf_fail_errno(err, errno, "%s: cannot examine it", source->name);
    mode_t mode = source->identity.st_mode;
    if (S_ISREG(mode))
        return examine_regular(source, err);
    // Reading a terminal or /dev/zero as an image is never what was meant.
    if (S_ISFIFO(mode) || S_ISSOCK(mode))
        return JF_OK;
    return jf_fail(err, JF_UNSUPPORTED, "%s: is %s, not an image file", source->name,
                   kind_of(mode));
}

// Takes over `fd`.
static enum jf_code open_source(int fd, const char *name, bool from_path,
                                struct jf_source **ret_source, struct jf_error *err) {
    struct jf_source *source = new_source(fd, name);
    if (!source) {
        close(fd);
        return jf_fail(err, JF_LIMIT, "not enough memory");
    }
    source->from_path = from_path;
    enum jf_code code = examine(source, err);
    if (code != JF_OK) {
        jf_source_unref(source);
        return code;
    }
    *ret_source = source;
    return JF_OK;
}

enum jf_code jf_source_open_file(const char *path, struct jf_source **ret_source,
                                 struct jf_error *err) {
    // Non-blocking, or the opening of a FIFO without a writer would hang.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return jf_fail_errno(err, errno, "%s: cannot open the image", path);
    return open_source(fd, path, true, ret_source, err);
}

enum jf_code jf_source_open_fd(int fd, const char *name, struct jf_source **ret_source,
                               struct jf_error *err) {
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return jf_fail_errno(err, errno, "%s: cannot use descriptor %d", name, fd);
    return open_source(own, name, false, ret_source, err);
}

enum jf_code jf_source_open_growing(const struct jf_growing *growing, const char *name,
                                    struct jf_source **ret_source, struct jf_error *err) {
    struct jf_source *source = new_source(-1, name);
    if (!source || !source->name) {
        jf_source_unref(source);
        return jf_fail(err, JF_LIMIT, "not enough memory");
    }
    growing->ref(growing->owner);
    source->growing = *growing;
    *ret_source = source;
    return JF_OK;
}

const char *jf_source_name(const struct jf_source *source) {
    return source->name;
}

bool jf_source_regular(const struct jf_source *source) {
    return source->regular;
}

bool jf_source_repeats(const struct jf_source *source) {
    return source->regular || source->growing.owner;
}

int64_t jf_source_size(const struct jf_source *source) {
    if (source->growing.owner)
        return source->growing.size(source->growing.owner);
    return source->regular ? (int64_t)source->size : -1;
}

enum jf_code jf_source_claim(struct jf_source *source, struct jf_error *err) {
    if (jf_source_repeats(source) || !atomic_exchange(&source->claimed, true))
        return JF_OK;
    return jf_fail(err, JF_UNSUPPORTED, "%s: can be read only once, and was read already",
                   source->name);
}

static enum jf_code read_regular(const struct jf_source *source, uint64_t offset, void *bytes,
                                 size_t len, size_t *ret_len, struct jf_error *err) {
    uint64_t left = offset < source->size ? source->size - offset : 0;
    if (len > left)
        len = (size_t)left;
    ssize_t got;
    do {
        got = pread(source->fd, bytes, len, (off_t)(source->start + offset));
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return jf_fail_errno(err, errno, "%s: read at byte %" PRIu64, source->name, offset);
    if (got == 0 && len > 0)
        return jf_fail(err, JF_CLOSED,
                       "%s: became shorter while it was read: %" PRIu64 " of %" PRIu64 " bytes",
                       source->name, offset, source->size);
    *ret_len = (size_t)got;
    return JF_OK;
}

static enum jf_code read_forward(struct jf_source *source, void *bytes, size_t len,
                                 const struct jf_source_wait *wait, size_t *ret_len,
                                 struct jf_error *err) {
    for (;;) {
        enum jf_code code = jf_wait_fd(source->fd, POLLIN, wait->deadline, wait->cancel, err);
        if (code != JF_OK)
            return jf_prefix(err, "%s: waiting for byte %" PRIu64, source->name, source->consumed);
        ssize_t got = read(source->fd, bytes, len);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got < 0)
            return jf_fail_errno(err, errno, "%s: read at byte %" PRIu64, source->name,
                                 source->consumed);
        source->consumed += (uint64_t)got;
        *ret_len = (size_t)got;
        return JF_OK;
    }
}

enum jf_code jf_source_read(struct jf_source *source, uint64_t offset, void *bytes, size_t len,
                            const struct jf_source_wait *wait, size_t *ret_len,
                            struct jf_error *err) {
    *ret_len = 0;
    if (source->regular)
        return read_regular(source, offset, bytes, len, ret_len, err);
    if (source->growing.owner)
        return source->growing.read(source->growing.owner, offset, bytes, len, wait->deadline,
                                    wait->cancel, ret_len, err);
    if (offset < source->kept.len) {
        size_t left = source->kept.len - (size_t)offset;
        *ret_len = len < left ? len : left;
        memcpy(bytes, source->kept.data + offset, *ret_len);
        return JF_OK;
    }
    if (!wait->keep)
        jf_buf_free(&source->kept);
    enum jf_code code = read_forward(source, bytes, len, wait, ret_len, err);
    if (code == JF_OK && wait->keep && !jf_buf_add(&source->kept, bytes, *ret_len))
        return jf_fail(err, JF_LIMIT, "%s: not enough memory to read ahead", source->name);
    return code;
}

enum jf_code jf_source_peek(struct jf_source *source, void *bytes, size_t len,
                            const struct jf_source_wait *wait, size_t *ret_len,
                            struct jf_error *err) {
    struct jf_source_wait keep = *wait;
    keep.keep = true;
    size_t have = 0;
    while (have < len) {
        size_t got = 0;
        enum jf_code code =
            jf_source_read(source, have, (char *)bytes + have, len - have, &keep, &got, err);
        if (code != JF_OK)
            return code;
        if (got == 0)
            break;
        have += got;
    }
    *ret_len = have;
    return JF_OK;
}

static bool same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

enum jf_code jf_source_unchanged(const struct jf_source *source, struct jf_error *err) {
    if (!source->regular)
        return JF_OK;
    struct stat now;
    if (fstat(source->fd, &now) < 0)
        return jf_fail_errno(err, errno, "%s: cannot examine it", source->name);
    if (!same(&source->identity, &now))
        return jf_fail(err, JF_IO, "%s: was changed since it was opened", source->name);
    if (!source->from_path)
        return JF_OK;
    if (stat(source->name, &now) < 0)
        return jf_fail_errno(err, errno, "%s: was removed since it was opened", source->name);
    if (!same(&source->identity, &now))
        return jf_fail(err, JF_IO, "%s: was replaced by another file since it was opened",
                       source->name);
    return JF_OK;
}
