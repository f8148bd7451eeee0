// SPDX-License-Identifier: Apache-2.0
#include "registry/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/place.h"
#include "sys/fd.h"
#include "sys/files.h"

#define PIECE_BYTES ((size_t)256 << 10)
#define FOLDER_MODE 0700
#define FILE_MODE 0600
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

struct unpack {
    struct jf_archive *archive;
    const char *name; // for messages
    const char *dir;
    const struct jf_cancel *cancel;
    struct jf_archive_entry entry; // the present one
    char *piece;
};

static enum jf_code fail_entry(const struct unpack *unpack, struct jf_error *err) {
    return jf_fail_errno(err, errno, "%s: %s: cannot make it", unpack->name, unpack->entry.name);
}

// What an earlier layer, or entry, has put there gives way. Files may be links to others:
// they are replaced, never written to.
static enum jf_code give_way(const struct unpack *unpack, int folder, const char *last,
                             struct jf_error *err) {
    if (unlinkat(folder, last, 0) == 0 || errno == ENOENT)
        return JF_OK;
    return jf_fail(err, JF_PROTOCOL, "%s: %s is a folder, and something else later", unpack->name,
                   unpack->entry.name);
}

// Files.

static enum jf_code write_content(const struct unpack *unpack, int fd, struct jf_error *err) {
    for (;;) {
        size_t len;
        enum jf_code code = jf_archive_read(unpack->archive, unpack->piece, PIECE_BYTES, &len, err);
        if (code != JF_OK || !len)
            return code;
        code = jf_fd_write(fd, unpack->piece, len, JF_NEVER, unpack->cancel, err);
        if (code != JF_OK)
            return jf_prefix(err, "%s", unpack->entry.name);
    }
}

static enum jf_code put_file(void *context, int folder, const char *last, struct jf_error *err) {
    const struct unpack *unpack = context;
    enum jf_code code = give_way(unpack, folder, last, err);
    if (code != JF_OK)
        return code;
    int fd = openat(folder, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return fail_entry(unpack, err);
    code = write_content(unpack, fd, err);
    if (close(fd) != 0 && code == JF_OK)
        code = fail_entry(unpack, err);
    return code;
}

static enum jf_code put_folder(void *context, int folder, const char *last, struct jf_error *err) {
    struct stat info;
    if (mkdirat(folder, last, FOLDER_MODE) == 0)
        return JF_OK;
    if (errno == EEXIST && fstatat(folder, last, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(info.st_mode))
        return JF_OK;
    errno = errno == EEXIST ? ENOTDIR : errno;
    return fail_entry(context, err);
}

// Links.

static enum jf_code fail_link(const struct unpack *unpack, struct jf_error *err) {
    return jf_fail(err, JF_PROTOCOL, "%s: %s is a link that may lead out: to %s", unpack->name,
                   unpack->entry.name, unpack->entry.target);
}

static size_t depth_of(const char *name) {
    size_t depth = 0;
    for (; *name; name++)
        depth += *name == '/';
    return depth;
}

// True for a target that stays in the folder whatever it leads over: ".." stands at its
// beginning only, where it leads over the entry's own folders, which are none of links.
static bool is_inside(const char *name, const char *target) {
    size_t left = depth_of(name);
    bool down = false;
    if (target[0] == '/' || !target[0])
        return false;
    for (const char *part = target; *part;) {
        size_t len = strcspn(part, "/");
        bool up = len == 2 && part[0] == '.' && part[1] == '.';
        if (up && (down || left-- == 0))
            return false;
        down = down || (!up && len && !(len == 1 && part[0] == '.'));
        part += len + (part[len] == '/');
    }
    return true;
}

static enum jf_code put_symlink(void *context, int folder, const char *last, struct jf_error *err) {
    const struct unpack *unpack = context;
    if (!unpack->entry.target || !is_inside(unpack->entry.name, unpack->entry.target))
        return fail_link(unpack, err);
    enum jf_code code = give_way(unpack, folder, last, err);
    if (code == JF_OK && symlinkat(unpack->entry.target, folder, last) != 0)
        code = fail_entry(unpack, err);
    return code;
}

// The two ends of a hard link.
struct ends {
    const struct unpack *unpack;
    int folder;
    const char *last;
};

// To a file only: a symbolic link would lead elsewhere from another place.
static enum jf_code join_ends(void *context, int folder, const char *last, struct jf_error *err) {
    const struct ends *to = context;
    struct stat info;
    if (fstatat(folder, last, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_entry(to->unpack, err);
    if (!S_ISREG(info.st_mode))
        return jf_fail(err, JF_PROTOCOL, "%s: %s is a hard link to no file: %s", to->unpack->name,
                       to->unpack->entry.name, to->unpack->entry.target);
    return linkat(folder, last, to->folder, to->last, 0) == 0 ? JF_OK : fail_entry(to->unpack, err);
}

static enum jf_code put_hardlink(void *context, int folder, const char *last,
                                 struct jf_error *err) {
    struct unpack *unpack = context;
    struct ends to = {unpack, folder, last};
    const char *target = unpack->entry.target;
    while (target[0] == '.' && target[1] == '/')
        target += 2;
    if (strcmp(target, unpack->entry.name) == 0)
        return fail_link(unpack, err);
    enum jf_code code = give_way(unpack, folder, last, err);
    return code == JF_OK ? jf_place_with(unpack->dir, target, join_ends, &to, err) : code;
}

// Whiteouts.

static enum jf_code remove_path(const struct unpack *unpack, const char *name, int len,
                                struct jf_error *err) {
    char path[PATH_MAX];
    int count = snprintf(path, sizeof path, "%s/%.*s", unpack->dir, len, name);
    if (count < 0 || (size_t)count >= sizeof path)
        return jf_fail(err, JF_LIMIT, "%s: %s: the path is too long", unpack->name, name);
    return jf_file_remove_tree(path, err);
}

// The last part without its prefix, in the same folder; the folder itself, if it is opaque.
static enum jf_code white_out(void *context, int folder, const char *last, struct jf_error *err) {
    const struct unpack *unpack = context;
    const char *name = unpack->entry.name, *slash = strrchr(name, '/');
    char covered[JF_PLACE_NAME_MAX + 1];
    (void)folder;
    if (strcmp(last, OPAQUE) == 0) {
        if (!slash)
            return jf_fail(err, JF_UNSUPPORTED, "%s: its root hides all layers below",
                           unpack->name);
        return remove_path(unpack, name, (int)(slash - name), err);
    }
    snprintf(covered, sizeof covered, "%.*s%s", slash ? (int)(slash + 1 - name) : 0, name,
             last + sizeof WHITEOUT - 1);
    enum jf_code code = jf_place_check(covered, err);
    return code == JF_OK ? remove_path(unpack, covered, (int)strlen(covered), err) : code;
}

// Entries.

static const char *last_part(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static enum jf_code put_entry(struct unpack *unpack, struct jf_error *err) {
    static jf_place_put *const puts[] = {
        [JF_ARCHIVE_FILE] = put_file,
        [JF_ARCHIVE_FOLDER] = put_folder,
        [JF_ARCHIVE_SYMLINK] = put_symlink,
        [JF_ARCHIVE_HARDLINK] = put_hardlink,
    };
    const char *name = unpack->entry.name;
    if (!name[0])
        return JF_OK; // the folder itself
    if (unpack->entry.kind == JF_ARCHIVE_OTHER)
        return jf_fail(err, JF_PROTOCOL, "%s: %s is a device, a FIFO or a socket", unpack->name,
                       name);
    bool covers = strncmp(last_part(name), WHITEOUT, sizeof WHITEOUT - 1) == 0;
    return jf_place_with(unpack->dir, name, covers ? white_out : puts[unpack->entry.kind], unpack,
                         err);
}

static enum jf_code put_all(struct unpack *unpack, struct jf_error *err) {
    for (;;) {
        bool end;
        enum jf_code code = jf_archive_next(unpack->archive, &unpack->entry, &end, err);
        if (code == JF_OK && end)
            return jf_archive_finish(unpack->archive, err);
        if (code == JF_OK)
            code = put_entry(unpack, err);
        if (code != JF_OK)
            return code;
    }
}

enum jf_code jf_unpack(const struct jf_archive_options *options, const char *dir,
                       struct jf_error *err) {
    struct unpack unpack = {
        .name = options->name, .dir = dir, .cancel = options->cancel, .piece = malloc(PIECE_BYTES)};
    enum jf_code code = unpack.piece ? jf_archive_open(options, &unpack.archive, err)
                                     : jf_fail(err, JF_LIMIT, "not enough memory");
    if (code == JF_OK)
        code = put_all(&unpack, err);
    jf_archive_close(unpack.archive);
    free(unpack.piece);
    return code;
}
