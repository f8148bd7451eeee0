// SPDX-License-Identifier: Apache-2.0
#include "sys/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sys/fd.h"

static enum jf_code make_one(const char *path, bool may_exist, mode_t mode, struct jf_error *err) {
    if (mkdir(path, mode) == 0)
        return JF_OK;
    int failed = errno;
    struct stat info;
    if (may_exist && failed == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return JF_OK;
    return jf_fail_errno(err, failed, "%s: make directory", path);
}

enum jf_code jf_file_mkdir(const char *path, bool parents, mode_t mode, struct jf_error *err) {
    if (!parents || path[0] == '\0')
        return make_one(path, false, mode, err);
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof part)
        return jf_fail_errno(err, ENAMETOOLONG, "%s: make directory", path);
    enum jf_code code = JF_OK;
    for (size_t i = 1; i <= len && code == JF_OK; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        code = make_one(part, true, mode, err);
    }
    return code;
}

enum jf_code jf_file_read(const char *path, size_t limit, jf_deadline deadline,
                          const struct jf_cancel *cancel, struct jf_buf *out,
                          struct jf_error *err) {
    // Opening a fifo must not wait for its writer.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return jf_fail_errno(err, errno, "%s: open", path);
    enum jf_code code = jf_fd_read_all(fd, limit, deadline, cancel, out, err);
    jf_fd_close(&fd);
    return code == JF_OK ? JF_OK : jf_prefix(err, "%s", path);
}

// The directory part of a path, for its temporary file and to make the rename last.
static enum jf_code directory_of(const char *path, char ret_dir[PATH_MAX], struct jf_error *err) {
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len >= PATH_MAX - 16)
        return jf_fail_errno(err, ENAMETOOLONG, "%s: write", path);
    const char *dir = !slash ? "." : len == 0 ? "/" : path;
    if (dir == path) {
        memcpy(ret_dir, path, len);
        ret_dir[len] = '\0';
    } else {
        snprintf(ret_dir, PATH_MAX, "%s", dir);
    }
    return JF_OK;
}

static enum jf_code fill_file(int fd, const char *path, const void *bytes, size_t len, mode_t mode,
                              struct jf_error *err) {
    if (fchmod(fd, mode) != 0)
        return jf_fail_errno(err, errno, "%s: set mode", path);
    if (jf_fd_write(fd, bytes, len, JF_NEVER, NULL, err) != JF_OK)
        return jf_prefix(err, "%s", path);
    if (fsync(fd) != 0)
        return jf_fail_errno(err, errno, "%s: fsync", path);
    return JF_OK;
}

static void sync_directory(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        fsync(fd);
    jf_fd_close(&fd);
}

// Replacing /dev/null by a file would be a disaster, and root could.
static enum jf_code check_replaceable(const char *path, struct jf_error *err) {
    struct stat info;
    if (stat(path, &info) != 0 || S_ISREG(info.st_mode))
        return JF_OK; // what is wrong with the path shows when it is used
    return jf_fail(err, JF_IO, "%s: replace: not a regular file", path);
}

enum jf_code jf_file_write(const char *path, const void *bytes, size_t len, mode_t mode,
                           struct jf_error *err) {
    char dir[PATH_MAX];
    char temporary[PATH_MAX + 16];
    enum jf_code code = check_replaceable(path, err);
    if (code == JF_OK)
        code = directory_of(path, dir, err);
    if (code != JF_OK)
        return code;
    snprintf(temporary, sizeof temporary, "%s/.jflash-XXXXXX", dir);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return jf_fail_errno(err, errno, "%s: make temporary file", path);
    code = fill_file(fd, path, bytes, len, mode, err);
    jf_fd_close(&fd);
    if (code == JF_OK && rename(temporary, path) != 0)
        code = jf_fail_errno(err, errno, "%s: replace", path);
    if (code != JF_OK)
        unlink(temporary);
    else
        sync_directory(dir);
    return code;
}

static bool is_dot(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

enum jf_code jf_file_list(const char *path, struct jf_buf *out, struct jf_error *err) {
    DIR *dir = opendir(path);
    if (!dir)
        return jf_fail_errno(err, errno, "%s: list", path);
    enum jf_code code = JF_OK;
    errno = 0;
    for (struct dirent *entry; code == JF_OK && (entry = readdir(dir)); errno = 0) {
        if (!is_dot(entry->d_name) && !jf_buf_add(out, entry->d_name, strlen(entry->d_name) + 1))
            code = jf_fail(err, JF_LIMIT, "%s: list: not enough memory", path);
    }
    if (code == JF_OK && errno != 0)
        code = jf_fail_errno(err, errno, "%s: list", path);
    closedir(dir);
    return code;
}

enum jf_code jf_file_make_sparse(const char *path, uint64_t size, struct jf_error *err) {
    if (size > INT64_MAX)
        return jf_fail_errno(err, EFBIG, "%s: make file", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return jf_fail_errno(err, errno, "%s: make file", path);
    enum jf_code code = JF_OK;
    if (ftruncate(fd, (off_t)size) != 0) {
        code = jf_fail_errno(err, errno, "%s: make file of %llu bytes", path,
                             (unsigned long long)size);
        unlink(path);
    }
    jf_fd_close(&fd);
    return code;
}

enum jf_code jf_file_free_bytes(const char *path, uint64_t *ret_bytes, struct jf_error *err) {
    struct statvfs info;
    if (statvfs(path, &info) != 0)
        return jf_fail_errno(err, errno, "%s: free space", path);
    *ret_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    return JF_OK;
}

enum jf_code jf_file_temp_dir(char *path, struct jf_error *err) {
    char pattern[PATH_MAX];
    snprintf(pattern, sizeof pattern, "%s", path);
    return mkdtemp(path) ? JF_OK : jf_fail_errno(err, errno, "%s: make directory", pattern);
}
