// SPDX-License-Identifier: Apache-2.0
//
// jflash.sys: files and directories.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bind/bind.h"
#include "bind/scratch.h"
#include "bind/sys.h"
#include "sys/files.h"
#include "sys/spool.h"

#define READ_LIMIT (16 << 20)
#define READ_TIMEOUT_S 10.0

static int fail_errno(lua_State *L, int failed, const char *what) {
    struct jf_error err;
    jf_fail_errno(&err, failed, "%s", what);
    return jf_bind_fail(L, &err);
}

static mode_t opt_mode(lua_State *L, int arg, lua_Integer fallback) {
    lua_Integer mode = jf_opt_integer(L, arg, "mode", fallback);
    if (mode < 0 || mode > 07777)
        luaL_error(L, "option 'mode': between 0 and 0xfff expected");
    return (mode_t)mode;
}

static int sys_mkdir(lua_State *L) {
    static const char *const options[] = {"parents", "mode", NULL};
    const char *path = jf_check_text(L, 1);
    jf_opt_known(L, 2, options);
    struct jf_error err;
    enum jf_code code =
        jf_file_mkdir(path, jf_opt_boolean(L, 2, "parents", true), opt_mode(L, 2, 0700), &err);
    return jf_bind_result(L, code, &err);
}

static const char *type_name(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "file";
    case S_IFDIR:
        return "dir";
    case S_IFCHR:
        return "char";
    case S_IFBLK:
        return "block";
    case S_IFSOCK:
        return "socket";
    case S_IFIFO:
        return "fifo";
    case S_IFLNK:
        return "link";
    default:
        return "unknown";
    }
}

static int sys_stat(lua_State *L) {
    static const char *const options[] = {"follow", NULL};
    const char *path = jf_check_text(L, 1);
    jf_opt_known(L, 2, options);
    struct stat info;
    bool follow = jf_opt_boolean(L, 2, "follow", true);
    if ((follow ? stat(path, &info) : lstat(path, &info)) != 0)
        return fail_errno(L, errno, path);
    lua_newtable(L);
    jf_set_string(L, "type", type_name(info.st_mode));
    jf_set_integer(L, "size", info.st_size);
    jf_set_integer(L, "used", (lua_Integer)info.st_blocks * 512);
    jf_set_number(L, "mtime", (double)info.st_mtim.tv_sec + (double)info.st_mtim.tv_nsec / 1e9);
    jf_set_integer(L, "uid", info.st_uid);
    jf_set_integer(L, "gid", info.st_gid);
    jf_set_integer(L, "mode", info.st_mode & 07777);
    jf_set_integer(L, "dev", (lua_Integer)info.st_dev);
    jf_set_integer(L, "ino", (lua_Integer)info.st_ino);
    return 1;
}

static int sys_read_file(lua_State *L) {
    static const char *const options[] = {"limit_bytes", "timeout_s", NULL};
    const char *path = jf_check_text(L, 1);
    jf_opt_known(L, 2, options);
    lua_Integer limit = jf_opt_integer(L, 2, "limit_bytes", READ_LIMIT);
    jf_deadline deadline = jf_opt_deadline(L, 2, READ_TIMEOUT_S);
    struct jf_buf *text = jf_scratch_buf(L);
    struct jf_error err;
    if (jf_file_read(path, limit > 0 ? (size_t)limit : 0, deadline, jf_bind_context(L)->cancel,
                     text, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    jf_scratch_push(L, text);
    return 1;
}

static int sys_spool(lua_State *L) {
    int fd = (int)luaL_checkinteger(L, 1);
    const char *path = jf_check_text(L, 2);
    struct jf_error err;
    uint64_t bytes;
    if (jf_spool(fd, path, jf_bind_context(L)->cancel, &bytes, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushinteger(L, (lua_Integer)bytes);
    return 1;
}

static int sys_write_file(lua_State *L) {
    static const char *const options[] = {"mode", NULL};
    const char *path = jf_check_text(L, 1);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    jf_opt_known(L, 3, options);
    struct jf_error err;
    return jf_bind_result(L, jf_file_write(path, text, len, opt_mode(L, 3, 0600), &err), &err);
}

static int sys_remove(lua_State *L) {
    const char *path = jf_check_text(L, 1);
    if (remove(path) != 0)
        return fail_errno(L, errno, path);
    lua_pushboolean(L, true);
    return 1;
}

static int sys_remove_tree(lua_State *L) {
    struct jf_error err;
    return jf_bind_result(L, jf_file_remove_tree(jf_check_text(L, 1), &err), &err);
}

static int sys_rename(lua_State *L) {
    const char *from = jf_check_text(L, 1);
    const char *to = jf_check_text(L, 2);
    if (rename(from, to) != 0)
        return fail_errno(L, errno, from);
    lua_pushboolean(L, true);
    return 1;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// Pushes an array of `count` NUL-terminated names that lie behind one another.
static void push_sorted(lua_State *L, const char *names, size_t count) {
    const char **sorted = lua_newuserdatauv(L, (count + 1) * sizeof *sorted, 0);
    for (size_t i = 0; i < count; i++, names += strlen(names) + 1)
        sorted[i] = names;
    qsort(sorted, count, sizeof *sorted, compare_names);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, sorted[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static int sys_list(lua_State *L) {
    const char *path = jf_check_text(L, 1);
    struct jf_buf *names = jf_scratch_buf(L);
    struct jf_error err;
    if (jf_file_list(path, names, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    size_t count = 0;
    for (size_t i = 0; i < names->len; i++)
        count += names->data[i] == '\0';
    push_sorted(L, names->data, count);
    return 1;
}

static int sys_realpath(lua_State *L) {
    const char *path = jf_check_text(L, 1);
    char resolved[PATH_MAX];
    if (!realpath(path, resolved))
        return fail_errno(L, errno, path);
    lua_pushstring(L, resolved);
    return 1;
}

static int sys_make_sparse(lua_State *L) {
    const char *path = jf_check_text(L, 1);
    lua_Integer size = luaL_checkinteger(L, 2);
    luaL_argcheck(L, size >= 0, 2, "size below zero");
    struct jf_error err;
    return jf_bind_result(L, jf_file_make_sparse(path, (uint64_t)size, &err), &err);
}

static int sys_free_bytes(lua_State *L) {
    uint64_t bytes;
    struct jf_error err;
    if (jf_file_free_bytes(jf_check_text(L, 1), &bytes, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushinteger(L, (lua_Integer)bytes);
    return 1;
}

static int sys_cwd(lua_State *L) {
    char path[PATH_MAX];
    if (!getcwd(path, sizeof path))
        return fail_errno(L, errno, "working directory");
    lua_pushstring(L, path);
    return 1;
}

static int sys_temp_dir(lua_State *L) {
    const char *prefix = luaL_optstring(L, 1, "jflash-");
    const char *base = getenv("TMPDIR");
    if (!base || base[0] != '/')
        base = "/tmp";
    char path[PATH_MAX];
    int len = strchr(prefix, '/') ? snprintf(path, sizeof path, "%sXXXXXX", prefix)
                                  : snprintf(path, sizeof path, "%s/%sXXXXXX", base, prefix);
    if (len < 0 || (size_t)len >= sizeof path)
        return fail_errno(L, ENAMETOOLONG, prefix);
    struct jf_error err;
    if (jf_file_temp_dir(path, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushstring(L, path);
    return 1;
}

static const luaL_Reg functions[] = {
    {"mkdir", sys_mkdir},
    {"stat", sys_stat},
    {"read_file", sys_read_file},
    {"write_file", sys_write_file},
    {"remove", sys_remove},
    {"remove_tree", sys_remove_tree},
    {"rename", sys_rename},
    {"list", sys_list},
    {"realpath", sys_realpath},
    {"make_sparse", sys_make_sparse},
    {"free_bytes", sys_free_bytes},
    {"cwd", sys_cwd},
    {"temp_dir", sys_temp_dir},
    {"spool", sys_spool},
    {NULL, NULL},
};

void jf_sys_add_files(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
