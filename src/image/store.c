// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/encoder.h"
#include "image/store_internal.h"

// What becomes a hole when it is all zeros: a file system's block.
#define BLOCK ((size_t)4096)
#define MAX_THREADS 8

// Where the bytes of a range come from: a file, or nowhere (zeros).
struct range {
    const char *path;
    int fd; // -1: zeros
    uint64_t left;
};

void jf_store_close(struct jf_store *store) {
    if (!store)
        return;
    if (store->fd >= 0)
        close(store->fd);
    jf_digest_free(store->digest);
    free(store->plain);
    free(store->coded);
    free(store->path);
    free(store);
}

enum jf_code jf_store_open(const char *path, enum jf_format format, struct jf_store **ret_store,
                           struct jf_error *err) {
    struct jf_store *store = calloc(1, sizeof *store);
    if (!store)
        return jf_fail(err, JF_LIMIT, "%s: not enough memory", path);
    *store = (struct jf_store){.fd = -1, .format = format};
    store->path = strdup(path);
    store->digest = jf_digest_new();
    store->plain = malloc(CHUNK);
    store->coded = malloc(CHUNK);
    enum jf_code code = JF_OK;
    if (!store->path || !store->digest || !store->plain || !store->coded)
        code = jf_fail(err, JF_LIMIT, "%s: not enough memory", path);
    else if ((store->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666)) < 0)
        code = jf_fail_errno(err, errno, "%s: open", path);
    if (code == JF_OK)
        *ret_store = store;
    else
        jf_store_close(store);
    return code;
}

uint64_t jf_store_bytes(const struct jf_store *store) {
    return store->bytes;
}

static enum jf_code write_at(struct jf_store *store, const void *bytes, size_t len, uint64_t offset,
                             struct jf_error *err) {
    const char *next = bytes;
    while (len > 0) {
        ssize_t count = pwrite(store->fd, next, len, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return jf_fail_errno(err, errno, "%s: write", store->path);
        next += count;
        len -= (size_t)count;
        offset += (uint64_t)count;
    }
    return JF_OK;
}

enum jf_code jf_store_read_at(int fd, const char *path, void *bytes, size_t len, uint64_t offset,
                              size_t *ret_len, struct jf_error *err) {
    *ret_len = 0;
    while (*ret_len < len) {
        ssize_t count =
            pread(fd, (char *)bytes + *ret_len, len - *ret_len, (off_t)(offset + *ret_len));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return jf_fail_errno(err, errno, "%s: read", path);
        if (count == 0)
            break;
        *ret_len += (size_t)count;
    }
    return JF_OK;
}

static enum jf_code set_size(struct jf_store *store, uint64_t size, struct jf_error *err) {
    if (ftruncate(store->fd, (off_t)size) != 0)
        return jf_fail_errno(err, errno, "%s: set size", store->path);
    return JF_OK;
}

static unsigned thread_count(void) {
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : (unsigned)count;
}

void jf_store_move_on(struct jf_store *store, uint64_t bytes, uint64_t stored_bytes,
                      struct jf_digest **whole) {
    store->bytes += bytes;
    store->stored_bytes += stored_bytes;
    jf_digest_free(store->digest);
    store->digest = *whole;
    *whole = NULL;
}

// ---------------------------------------------------------------------------
// Appending

// The next piece of a range, in `plain`.
static enum jf_code take_piece(struct jf_store *store, struct range *range, uint64_t offset,
                               size_t *ret_len, struct jf_error *err) {
    size_t want = smaller(range->left, CHUNK);
    range->left -= want;
    *ret_len = want;
    if (range->fd < 0) {
        memset(store->plain, 0, want);
        return JF_OK;
    }
    enum jf_code code =
        jf_store_read_at(range->fd, range->path, store->plain, want, offset, ret_len, err);
    if (code == JF_OK && *ret_len < want)
        return jf_fail(err, JF_CLOSED, "%s: shorter than expected", range->path);
    return code;
}

static bool is_zero(const unsigned char *bytes, size_t len) {
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

// Writes a piece; blocks of zeros stay holes.
static enum jf_code write_sparse(struct jf_store *store, size_t len, uint64_t offset,
                                 struct jf_error *err) {
    for (size_t at = 0; at < len;) {
        size_t end = at;
        while (end < len && !is_zero(store->plain + end, smaller(len - end, BLOCK)))
            end += smaller(len - end, BLOCK);
        if (end > at) {
            enum jf_code code = write_at(store, store->plain + at, end - at, offset + at, err);
            if (code != JF_OK)
                return code;
        }
        at = end + smaller(len - end, BLOCK);
    }
    return JF_OK;
}

static enum jf_code add_plain(struct jf_store *store, struct range *range, struct jf_digest *whole,
                              const struct jf_cancel *cancel, uint64_t *ret_stored_bytes,
                              struct jf_error *err) {
    uint64_t done = 0;
    while (range->left > 0) {
        size_t len;
        enum jf_code code = take_piece(store, range, done, &len, err);
        if (code == JF_OK)
            code = write_sparse(store, len, store->stored_bytes + done, err);
        if (code == JF_OK)
            code = jf_cancel_check(cancel, err);
        if (code != JF_OK)
            return code;
        jf_digest_update(whole, store->plain, len);
        done += len;
    }
    *ret_stored_bytes = done;
    return set_size(store, store->stored_bytes + done, err);
}

static enum jf_code encode_range(struct jf_store *store, struct jf_encoder *encoder,
                                 struct range *range, struct jf_digest *whole,
                                 const struct jf_cancel *cancel, uint64_t *ret_stored_bytes,
                                 struct jf_error *err) {
    struct jf_encoder_io io = {.in = store->plain};
    uint64_t read = 0, written = 0;
    bool end = false;
    while (!end) {
        enum jf_code code = jf_cancel_check(cancel, err);
        if (code == JF_OK && io.in_len == 0 && range->left > 0) {
            code = take_piece(store, range, read, &io.in_len, err);
            io.in = store->plain;
            read += io.in_len;
            jf_digest_update(whole, store->plain, io.in_len);
        }
        io.in_end = range->left == 0;
        io.out = store->coded;
        io.out_len = CHUNK;
        if (code == JF_OK)
            code = jf_encoder_run(encoder, &io, &end, err);
        size_t len = CHUNK - io.out_len;
        if (code == JF_OK)
            code = write_at(store, store->coded, len, store->stored_bytes + written, err);
        if (code != JF_OK)
            return code;
        written += len;
    }
    *ret_stored_bytes = written;
    return JF_OK;
}

static enum jf_code add_coded(struct jf_store *store, struct range *range, struct jf_digest *whole,
                              const struct jf_cancel *cancel, uint64_t *ret_stored_bytes,
                              struct jf_error *err) {
    struct jf_encoder *encoder = NULL;
    enum jf_code code = jf_encoder_new(store->format, thread_count(), &encoder, err);
    if (code == JF_OK)
        code = encode_range(store, encoder, range, whole, cancel, ret_stored_bytes, err);
    jf_encoder_free(encoder);
    return code;
}

static enum jf_code add_range(struct jf_store *store, struct range *range,
                              const struct jf_cancel *cancel, uint64_t *ret_stored_bytes,
                              struct jf_error *err) {
    uint64_t bytes = range->left;
    struct jf_digest *whole = jf_digest_copy(store->digest);
    if (!whole)
        return jf_fail(err, JF_LIMIT, "%s: not enough memory", store->path);
    // What an interrupted append left would show through the holes.
    enum jf_code code = set_size(store, store->stored_bytes, err);
    if (code == JF_OK && store->format == JF_FORMAT_RAW)
        code = add_plain(store, range, whole, cancel, ret_stored_bytes, err);
    else if (code == JF_OK)
        code = add_coded(store, range, whole, cancel, ret_stored_bytes, err);
    if (code == JF_OK)
        jf_store_move_on(store, bytes, *ret_stored_bytes, &whole);
    jf_digest_free(whole);
    return code;
}

enum jf_code jf_store_add_file(struct jf_store *store, const char *path, uint64_t bytes,
                               const struct jf_cancel *cancel, uint64_t *ret_stored_bytes,
                               struct jf_error *err) {
    struct range range = {.path = path, .left = bytes};
    range.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (range.fd < 0)
        return jf_fail_errno(err, errno, "%s: open", path);
    enum jf_code code = add_range(store, &range, cancel, ret_stored_bytes, err);
    close(range.fd);
    return code;
}

enum jf_code jf_store_add_zeros(struct jf_store *store, uint64_t bytes,
                                const struct jf_cancel *cancel, uint64_t *ret_stored_bytes,
                                struct jf_error *err) {
    struct range range = {.path = "zeros", .fd = -1, .left = bytes};
    return add_range(store, &range, cancel, ret_stored_bytes, err);
}

// ---------------------------------------------------------------------------
// The end

// A file system that cannot refuse to replace while it renames (NFS) is asked before.
static int rename_new(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (access(to, F_OK) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

enum jf_code jf_store_finish(struct jf_store *store, const char *path, bool replace,
                             char ret_sha256[JF_SHA256_HEX_SIZE], struct jf_error *err) {
    enum jf_code code = set_size(store, store->stored_bytes, err);
    if (code != JF_OK)
        return code;
    if (fsync(store->fd) != 0)
        return jf_fail_errno(err, errno, "%s: fsync", store->path);
    if ((replace ? rename(store->path, path) : rename_new(store->path, path)) != 0)
        return jf_fail_errno(err, errno, "%s: rename to %s", store->path, path);
    jf_digest_hex(store->digest, ret_sha256);
    return JF_OK;
}
