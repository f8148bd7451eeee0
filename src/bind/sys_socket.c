// SPDX-License-Identifier: Apache-2.0
//
// jflash.sys: locks between processes, and local sockets.
#include "bind/bind.h"
#include "bind/scratch.h"
#include "bind/sys.h"
#include "sys/local.h"
#include "sys/lock.h"

#define LOCK "jflash.sys.lock"
#define SOCKET "jflash.sys.socket"
#define TIMEOUT_S 10.0

static int sys_lock(lua_State *L) {
    static const char *const options[] = {"exclusive", "wait_s", "owner", NULL};
    const char *path = jf_check_text(L, 1);
    jf_opt_known(L, 2, options);
    bool exclusive = jf_opt_boolean(L, 2, "exclusive", true);
    const char *owner = jf_opt_string(L, 2, "owner", NULL, NULL);
    jf_deadline deadline = jf_deadline_in(jf_opt_number(L, 2, "wait_s", 0));

    struct jf_lock *lock = lua_newuserdatauv(L, sizeof *lock, 0);
    *lock = (struct jf_lock){.fd = -1};
    luaL_setmetatable(L, LOCK);
    char holder[JF_LOCK_HOLDER_SIZE];
    struct jf_error err;
    if (jf_lock_take(path, exclusive, owner, deadline, jf_bind_context(L)->cancel, lock, holder,
                     &err) == JF_OK)
        return 1;
    int count = jf_bind_fail(L, &err);
    if (holder[0] == '\0')
        return count;
    lua_pushstring(L, holder);
    return count + 1;
}

static int lock_close(lua_State *L) {
    jf_lock_close(luaL_checkudata(L, 1, LOCK));
    return 0;
}

static int sys_connect_unix(lua_State *L) {
    static const char *const options[] = {"timeout_s", NULL};
    const char *path = jf_check_text(L, 1);
    jf_opt_known(L, 2, options);
    jf_deadline deadline = jf_opt_deadline(L, 2, TIMEOUT_S);
    struct jf_local *local = lua_newuserdatauv(L, sizeof *local, 0);
    *local = (struct jf_local){.fd = -1};
    luaL_setmetatable(L, SOCKET);
    struct jf_error err;
    if (jf_local_connect(path, deadline, jf_bind_context(L)->cancel, local, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

static struct jf_local *check_socket(lua_State *L) {
    struct jf_local *local = luaL_checkudata(L, 1, SOCKET);
    luaL_argcheck(L, local->fd >= 0, 1, "socket is closed");
    return local;
}

static int socket_send(lua_State *L) {
    static const char *const options[] = {"timeout_s", NULL};
    struct jf_local *local = check_socket(L);
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    jf_opt_known(L, 3, options);
    struct jf_error err;
    enum jf_code code = jf_local_send(local, bytes, len, jf_opt_deadline(L, 3, TIMEOUT_S),
                                      jf_bind_context(L)->cancel, &err);
    return jf_bind_result(L, code, &err);
}

static int socket_read_line(lua_State *L) {
    static const char *const options[] = {"timeout_s", NULL};
    struct jf_local *local = check_socket(L);
    jf_opt_known(L, 2, options);
    jf_deadline deadline = jf_opt_deadline(L, 2, TIMEOUT_S);
    struct jf_buf *line = jf_scratch_buf(L);
    struct jf_error err;
    if (jf_local_read_line(local, deadline, jf_bind_context(L)->cancel, line, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    jf_scratch_push(L, line);
    return 1;
}

static int socket_peer(lua_State *L) {
    pid_t pid;
    uid_t uid;
    struct jf_error err;
    if (jf_local_peer(check_socket(L), &pid, &uid, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_newtable(L);
    jf_set_integer(L, "pid", pid);
    jf_set_integer(L, "uid", uid);
    return 1;
}

static int socket_close(lua_State *L) {
    jf_local_close(luaL_checkudata(L, 1, SOCKET));
    return 0;
}

static const luaL_Reg functions[] = {
    {"lock", sys_lock},
    {"connect_unix", sys_connect_unix},
    {NULL, NULL},
};

static const luaL_Reg lock_methods[] = {{"close", lock_close}, {NULL, NULL}};
static const luaL_Reg lock_meta[] = {{"__close", lock_close}, {"__gc", lock_close}, {NULL, NULL}};

static const luaL_Reg socket_methods[] = {{"send", socket_send},
                                          {"read_line", socket_read_line},
                                          {"peer", socket_peer},
                                          {"close", socket_close},
                                          {NULL, NULL}};
static const luaL_Reg socket_meta[] = {
    {"__close", socket_close}, {"__gc", socket_close}, {NULL, NULL}};

void jf_sys_add_sockets(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
    jf_bind_class(L, LOCK, lock_methods, lock_meta);
    jf_bind_class(L, SOCKET, socket_methods, socket_meta);
}
