// SPDX-License-Identifier: Apache-2.0
//
// jflash.sys: processes, files, locks, local sockets and the terminal. Lua code
// uses this instead of os.execute, io.popen and os.remove, which know neither
// deadlines nor cancellation.
#include "bind/sys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "bind/bind.h"
#include "bind/modules.h"
#include "bind/scratch.h"
#include "sys/account.h"
#include "sys/fd.h"
#include "sys/terminal.h"

#define HOST_NAME_SIZE 256
#define RANDOM_LIMIT 256

static int sys_pid(lua_State *L) {
    lua_pushinteger(L, getpid());
    return 1;
}

static int sys_uid(lua_State *L) {
    lua_pushinteger(L, getuid());
    return 1;
}

static int sys_user(lua_State *L) {
    lua_Integer uid = luaL_optinteger(L, 1, getuid());
    luaL_argcheck(L, uid >= 0 && uid <= UINT32_MAX, 1, "no user number");
    char name[JF_USER_SIZE];
    jf_user_name((uid_t)uid, name);
    lua_pushstring(L, name);
    return 1;
}

static int sys_group(lua_State *L) {
    static const char *const memberships[] = {
        [JF_MEMBER_NOT] = "not", [JF_MEMBER_AFTER_LOGIN] = "after_login", [JF_MEMBER_NOW] = "now"};
    char name[JF_GROUP_SIZE];
    gid_t gid = 0;
    if (lua_type(L, 1) == LUA_TNUMBER) {
        lua_Integer number = luaL_checkinteger(L, 1);
        luaL_argcheck(L, number >= 0 && number <= UINT32_MAX, 1, "no group number");
        gid = (gid_t)number;
    } else if (!jf_group_find(luaL_checkstring(L, 1), &gid)) {
        return 0;
    }
    jf_group_name(gid, name);
    lua_pushstring(L, name);
    lua_pushstring(L, memberships[jf_group_membership(gid)]);
    return 2;
}

static int sys_hostname(lua_State *L) {
    char name[HOST_NAME_SIZE] = "";
    gethostname(name, sizeof name - 1);
    lua_pushstring(L, name);
    return 1;
}

static int sys_getenv(lua_State *L) {
    lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
    return 1;
}

// Called while a program starts: others must not read the environment meanwhile.
static int sys_take_env(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    lua_pushstring(L, getenv(name));
    unsetenv(name);
    return 1;
}

static int sys_environ(lua_State *L) {
    lua_newtable(L);
    for (char **entry = environ; *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        if (!equals)
            continue;
        lua_pushlstring(L, *entry, (size_t)(equals - *entry));
        lua_pushstring(L, equals + 1);
        lua_rawset(L, -3);
    }
    return 1;
}

static int sys_time(lua_State *L) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    lua_pushnumber(L, (double)now.tv_sec + (double)now.tv_nsec / 1e9);
    return 1;
}

static int sys_random_hex(lua_State *L) {
    static const char digits[] = "0123456789abcdef";
    lua_Integer asked = luaL_checkinteger(L, 1);
    if (asked < 1 || asked > RANDOM_LIMIT)
        return luaL_argerror(L, 1, "between 1 and 256 bytes");
    size_t count = (size_t)asked;
    unsigned char bytes[RANDOM_LIMIT];
    char text[2 * RANDOM_LIMIT];
    // Up to 256 bytes come whole and cannot fail.
    if (getrandom(bytes, count, 0) != (ssize_t)count)
        return luaL_error(L, "getrandom: %s", strerror(errno));
    for (size_t i = 0; i < count; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    lua_pushlstring(L, text, count * 2);
    return 1;
}

static int sys_isatty(lua_State *L) {
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

static int sys_columns(lua_State *L) {
    lua_pushinteger(L, jf_terminal_columns((int)luaL_checkinteger(L, 1)));
    return 1;
}

static int sys_terminal_size(lua_State *L) {
    struct jf_terminal_size size = jf_terminal_size((int)luaL_checkinteger(L, 1));
    if (size.columns == 0 || size.rows == 0)
        return 0;
    lua_pushinteger(L, size.columns);
    lua_pushinteger(L, size.rows);
    return 2;
}

static int sys_write(lua_State *L) {
    static const char *const options[] = {"timeout_s", NULL};
    int fd = (int)luaL_checkinteger(L, 1);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    jf_opt_known(L, 3, options);
    struct jf_error err;
    enum jf_code code =
        jf_fd_write(fd, text, len, jf_opt_deadline(L, 3, 10), jf_bind_context(L)->cancel, &err);
    if (code != JF_OK)
        jf_prefix(&err, "descriptor %d", fd);
    return jf_bind_result(L, code, &err);
}

static int sys_read_line(lua_State *L) {
    static const char *const options[] = {"timeout_s", NULL};
    int fd = (int)luaL_checkinteger(L, 1);
    jf_opt_known(L, 2, options);
    jf_deadline deadline = jf_opt_deadline(L, 2, 60);
    struct jf_buf *line = jf_scratch_buf(L);
    struct jf_error err;
    enum jf_code code = jf_fd_read_line(fd, deadline, jf_bind_context(L)->cancel, line, &err);
    if (code != JF_OK) {
        jf_prefix(&err, "descriptor %d", fd);
        return jf_bind_fail(L, &err);
    }
    jf_scratch_push(L, line);
    return 1;
}

static const luaL_Reg functions[] = {
    {"pid", sys_pid},
    {"uid", sys_uid},
    {"user", sys_user},
    {"group", sys_group},
    {"hostname", sys_hostname},
    {"getenv", sys_getenv},
    {"take_env", sys_take_env},
    {"environ", sys_environ},
    {"time", sys_time},
    {"random_hex", sys_random_hex},
    {"isatty", sys_isatty},
    {"columns", sys_columns},
    {"write", sys_write},
    {"read_line", sys_read_line},
    {"terminal_size", sys_terminal_size},
    {NULL, NULL},
};

int luaopen_jflash_sys(lua_State *L) {
    luaL_newlib(L, functions);
    jf_sys_add_files(L);
    jf_sys_add_processes(L);
    jf_sys_add_sockets(L);
    return 1;
}
