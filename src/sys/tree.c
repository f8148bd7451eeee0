// SPDX-License-Identifier: Apache-2.0
//
// Removing a directory tree, by descriptors: a directory that is swapped for a
// symbolic link meanwhile leads nowhere.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/files.h"

#define DEPTH_LIMIT 256 // one descriptor each

struct removal {
    const char *path; // for messages
    dev_t dev;        // the file system to stay on
    struct jf_error *err;
};

static enum jf_code remove_entry(const struct removal *removal, int dir_fd, const char *name,
                                 unsigned depth);

static bool is_dot(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static enum jf_code fail_entry(const struct removal *removal, const char *name) {
    return jf_fail_errno(removal->err, errno, "%s: remove %s", removal->path, name);
}

static enum jf_code empty_directory(const struct removal *removal, int dir_fd, const char *name,
                                    unsigned depth) {
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        enum jf_code code = fail_entry(removal, name);
        jf_fd_close(&fd);
        return code;
    }
    struct stat info;
    enum jf_code code = JF_OK;
    if (fstat(fd, &info) != 0 || info.st_dev != removal->dev)
        code = jf_fail(removal->err, JF_UNSUPPORTED, "%s: remove %s: another file system",
                       removal->path, name);
    for (struct dirent *entry; code == JF_OK && (entry = readdir(dir));) {
        if (!is_dot(entry->d_name))
            code = remove_entry(removal, fd, entry->d_name, depth);
    }
    closedir(dir);
    return code;
}

static enum jf_code remove_entry(const struct removal *removal, int dir_fd, const char *name,
                                 unsigned depth) {
    struct stat info;
    if (fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? JF_OK : fail_entry(removal, name);
    bool is_dir = S_ISDIR(info.st_mode);
    if (is_dir && depth >= DEPTH_LIMIT)
        return jf_fail(removal->err, JF_LIMIT, "%s: remove: more than %d levels deep",
                       removal->path, DEPTH_LIMIT);
    enum jf_code code = is_dir ? empty_directory(removal, dir_fd, name, depth + 1) : JF_OK;
    if (code != JF_OK)
        return code;
    if (unlinkat(dir_fd, name, is_dir ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
        return fail_entry(removal, name);
    return JF_OK;
}

enum jf_code jf_file_remove_tree(const char *path, struct jf_error *err) {
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? JF_OK : jf_fail_errno(err, errno, "%s: remove", path);
    struct removal removal = {.path = path, .dev = info.st_dev, .err = err};
    return remove_entry(&removal, AT_FDCWD, path, 0);
}
