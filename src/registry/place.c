// SPDX-License-Identifier: Apache-2.0
#include "registry/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "sys/fd.h"

#define PIECE_BYTES ((size_t)256 << 10)
#define FOLDER_MODE 0700
#define FILE_MODE 0600

// Names.

static bool is_part(const char *part, size_t len) {
    if (!len || len > NAME_MAX)
        return false;
    return !(len == 1 && part[0] == '.') && !(len == 2 && part[0] == '.' && part[1] == '.');
}

static bool has_control(const char *name) {
    for (; *name; name++) {
        if ((*name >= 0 && *name < ' ') || *name == 0x7f || *name == '\\')
            return true;
    }
    return false;
}

enum jf_code jf_place_check(const char *name, struct jf_error *err) {
    if (has_control(name))
        return jf_fail(err, JF_PROTOCOL, "a file's name has control characters or backslashes");
    if (strlen(name) > JF_PLACE_NAME_MAX)
        return jf_fail(err, JF_PROTOCOL, "a file's name has more than %d characters",
                       JF_PLACE_NAME_MAX);
    if (name[0] == '/')
        return jf_fail(err, JF_PROTOCOL, "the file's name \"%s\" is absolute", name);
    for (const char *part = name;; part++) {
        size_t len = strcspn(part, "/");
        if (!is_part(part, len))
            return jf_fail(err, JF_PROTOCOL,
                           "the file's name \"%s\" has an empty part, \".\", \"..\" or one that is "
                           "too long",
                           name);
        part += len;
        if (!*part)
            return JF_OK;
    }
}

// The folder.

// Opens the folder `part` in `at`, and makes it first when it is not there. -1 and
// errno; a link is no folder.
static int enter(int at, const char *part) {
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if (mkdirat(at, part, FOLDER_MODE) != 0 && errno != EEXIST)
        return -1;
    return openat(at, part, flags);
}

// Opens the folder that holds `name`; *ret_last is the last part of the name.
static enum jf_code open_parent(const char *dir, char *name, int *ret_fd, const char **ret_last,
                                struct jf_error *err) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *part = name;
    for (char *slash = strchr(part, '/'); fd >= 0 && slash; slash = strchr(part, '/')) {
        *slash = '\0';
        int next = enter(fd, part);
        int failed = errno;
        close(fd);
        fd = next;
        errno = failed;
        part = slash + 1;
    }
    if (fd < 0)
        return jf_fail_errno(err, errno, "%s: cannot make the folder for %s", dir, part);
    *ret_fd = fd;
    *ret_last = part;
    return JF_OK;
}

enum jf_code jf_place_with(const char *dir, const char *name, jf_place_put *put, void *context,
                           struct jf_error *err) {
    enum jf_code code = jf_place_check(name, err);
    if (code != JF_OK)
        return code;
    char *parts = strdup(name);
    int folder = -1;
    const char *last = "";
    if (!parts)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    code = open_parent(dir, parts, &folder, &last, err);
    if (code == JF_OK)
        code = put(context, folder, last, err);
    jf_fd_close(&folder);
    free(parts);
    return code;
}

// The content.

struct copy {
    int from;
    int to;
    const char *from_path;
    const char *name;
    const char *sha256;
    const struct jf_cancel *cancel;
};

static enum jf_code copy_pieces(const struct copy *copy, struct jf_digest *digest, char *piece,
                                struct jf_error *err) {
    for (;;) {
        enum jf_code code = jf_cancel_check(copy->cancel, err);
        if (code != JF_OK)
            return code;
        ssize_t got = read(copy->from, piece, PIECE_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return jf_fail_errno(err, errno, "%s: read", copy->from_path);
        if (got == 0)
            return JF_OK;
        jf_digest_update(digest, piece, (size_t)got);
        code = jf_fd_write(copy->to, piece, (size_t)got, JF_NEVER, copy->cancel, err);
        if (code != JF_OK)
            return jf_prefix(err, "%s", copy->name);
    }
}

static enum jf_code copy_content(const struct copy *copy, struct jf_error *err) {
    char hex[JF_SHA256_HEX_SIZE];
    struct jf_digest *digest = jf_digest_new();
    char *piece = malloc(PIECE_BYTES);
    enum jf_code code = digest && piece ? copy_pieces(copy, digest, piece, err)
                                        : jf_fail(err, JF_LIMIT, "not enough memory");
    if (code == JF_OK) {
        jf_digest_hex(digest, hex);
        if (strcmp(hex, copy->sha256) != 0)
            code = jf_fail(err, JF_CHECKSUM, "%s: has the SHA-256 %s, due was %s", copy->from_path,
                           hex, copy->sha256);
    }
    free(piece);
    jf_digest_free(digest);
    return code;
}

static enum jf_code fail_twice(const struct copy *copy, struct jf_error *err) {
    return jf_fail(err, JF_PROTOCOL, "the file's name \"%s\" is there twice", copy->name);
}

static enum jf_code copy_into(void *context, int folder, const char *last, struct jf_error *err) {
    struct copy copy = *(const struct copy *)context;
    copy.from = open(copy.from_path, O_RDONLY | O_CLOEXEC);
    if (copy.from < 0)
        return jf_fail_errno(err, errno, "%s: open", copy.from_path);
    copy.to = openat(folder, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    enum jf_code code;
    if (copy.to < 0) {
        code = errno == EEXIST ? fail_twice(&copy, err)
                               : jf_fail_errno(err, errno, "%s: cannot make it", copy.name);
    } else {
        code = copy_content(&copy, err);
        if (close(copy.to) != 0 && code == JF_OK)
            code = jf_fail_errno(err, errno, "%s: close", copy.name);
        if (code != JF_OK)
            unlinkat(folder, last, 0);
    }
    close(copy.from);
    return code;
}

enum jf_code jf_place_copy(const char *from, const char *dir, const char *name, const char *sha256,
                           const struct jf_cancel *cancel, struct jf_error *err) {
    struct copy copy = {-1, -1, from, name, sha256, cancel};
    return jf_place_with(dir, name, copy_into, &copy, err);
}

static enum jf_code link_into(void *context, int folder, const char *last, struct jf_error *err) {
    const struct copy *copy = context;
    if (linkat(AT_FDCWD, copy->from_path, folder, last, 0) == 0)
        return JF_OK;
    if (errno == EEXIST)
        return fail_twice(copy, err);
    if (errno == EXDEV || errno == EPERM || errno == EMLINK || errno == EOPNOTSUPP)
        return jf_fail(err, JF_UNSUPPORTED, "%s: cannot be linked", copy->name);
    return jf_fail_errno(err, errno, "%s: cannot make it", copy->name);
}

enum jf_code jf_place_link(const char *from, const char *dir, const char *name,
                           struct jf_error *err) {
    struct copy copy = {-1, -1, from, name, NULL, NULL};
    return jf_place_with(dir, name, link_into, &copy, err);
}
