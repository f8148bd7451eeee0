// SPDX-License-Identifier: Apache-2.0
//
// jflash.tftp: the TFTP server.
#include "bind/bind.h"

#include <string.h>

#include "serve/tftp.h"
#include "serve/tftp_sender.h"

#define SERVER "jflash.tftp"

static const char *const serve_options[] = {
    "host", "port", "single_port", "max_blksize", "max_windowsize", "receive", "retry_s", NULL};

static struct jf_tftp *check_server(lua_State *L) {
    struct jf_tftp **box = luaL_checkudata(L, 1, SERVER);
    if (!*box)
        luaL_error(L, "the TFTP server is closed");
    return *box;
}

// An integer option within its range.
static uint32_t opt_range(lua_State *L, const char *key, lua_Integer fallback, lua_Integer least,
                          lua_Integer most) {
    lua_Integer value = jf_opt_integer(L, 1, key, fallback);
    if (value != fallback && (value < least || value > most))
        luaL_error(L, "option '%s': %I to %I expected, got %I", key, least, most, value);
    return (uint32_t)value;
}

static struct jf_tftp_options read_options(lua_State *L) {
    jf_opt_known(L, 1, serve_options);
    struct jf_tftp_options options = {
        .host = jf_opt_string(L, 1, "host", "127.0.0.1", NULL),
        .port = (uint16_t)opt_range(L, "port", 69, 0, 65535),
        .single_port = jf_opt_boolean(L, 1, "single_port", false),
        .max_blksize = opt_range(L, "max_blksize", 0, JF_TFTP_BLKSIZE_MIN, JF_TFTP_BLKSIZE_MAX),
        .max_windowsize = opt_range(L, "max_windowsize", 64, 1, JF_TFTP_WINDOW_MAX),
        .receive = jf_opt_boolean(L, 1, "receive", false),
        .retry_s = jf_opt_number(L, 1, "retry_s", 30),
    };
    if (!(options.retry_s > 0 && options.retry_s < 1e6))
        luaL_error(L, "option 'retry_s': a positive number of seconds expected");
    return options;
}

static int tftp_serve(lua_State *L) {
    struct jf_error err;
    struct jf_tftp_options options = read_options(L);
    struct jf_tftp **box = lua_newuserdatauv(L, sizeof(struct jf_tftp *), 0);
    *box = NULL;
    luaL_setmetatable(L, SERVER);
    if (jf_tftp_start(&options, box, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

static int tftp_close(lua_State *L) {
    struct jf_tftp **box = luaL_checkudata(L, 1, SERVER);
    jf_tftp_free(*box);
    *box = NULL;
    return 0;
}

static int tftp_host(lua_State *L) {
    lua_pushstring(L, jf_tftp_host(check_server(L)));
    return 1;
}

static int tftp_port(lua_State *L) {
    lua_pushinteger(L, jf_tftp_port(check_server(L)));
    return 1;
}

static const char *check_name(lua_State *L) {
    const char *name = luaL_checkstring(L, 2);
    luaL_argcheck(L, *jf_tftp_plain_name(name), 2, "a name must not be empty");
    return name;
}

static int tftp_add(lua_State *L) {
    static const char *const known[] = {"file", "bytes", NULL};
    struct jf_tftp *server = check_server(L);
    struct jf_error err;
    struct jf_content *content = NULL;
    size_t len;
    const char *name = check_name(L);
    luaL_checktype(L, 3, LUA_TTABLE);
    jf_opt_known(L, 3, known);
    const char *file = jf_opt_string(L, 3, "file", NULL, NULL);
    const char *bytes = jf_opt_string(L, 3, "bytes", NULL, &len);
    luaL_argcheck(L, !file != !bytes, 3, "either 'file' or 'bytes' expected");

    // No Lua call below that can raise while the content is held.
    enum jf_code code = JF_OK;
    if (file)
        code = jf_content_open_file(file, &content, &err);
    else if (!(content = jf_content_from_bytes(bytes, len)))
        code = jf_fail(&err, JF_LIMIT, "not enough memory");
    if (code == JF_OK)
        code = jf_tftp_add(server, name, content, &err);
    jf_content_unref(content);
    return jf_bind_result(L, code, &err);
}

static int tftp_receive(lua_State *L) {
    static const char *const known[] = {"file", "limit_bytes", NULL};
    struct jf_tftp *server = check_server(L);
    struct jf_error err;
    const char *name = check_name(L);
    luaL_checktype(L, 3, LUA_TTABLE);
    jf_opt_known(L, 3, known);
    const char *file = jf_opt_string(L, 3, "file", NULL, NULL);
    lua_Integer limit = jf_opt_integer(L, 3, "limit_bytes", -1);
    luaL_argcheck(L, file, 3, "'file' expected");
    luaL_argcheck(L, limit >= 0, 3, "'limit_bytes' of at least 0 expected");
    return jf_bind_result(L, jf_tftp_receive(server, name, file, (uint64_t)limit, &err), &err);
}

static int tftp_remove(lua_State *L) {
    lua_pushboolean(L, jf_tftp_remove(check_server(L), luaL_checkstring(L, 2)));
    return 1;
}

static int tftp_only(lua_State *L) {
    struct jf_error err;
    struct jf_tftp *server = check_server(L);
    return jf_bind_result(L, jf_tftp_only(server, luaL_optstring(L, 2, NULL), &err), &err);
}

static const char *state_name(enum jf_tftp_state state) {
    return state == JF_TFTP_ACTIVE ? "active" : state == JF_TFTP_FAILED ? "failed" : "done";
}

static void push_transfer(lua_State *L, const struct jf_tftp_info *info) {
    int64_t until_ns = info->ended_ns ? info->ended_ns : jf_now_ns();
    lua_createtable(L, 0, 13);
    jf_set_string(L, "name", info->name);
    jf_set_string(L, "client", info->client);
    jf_set_string(L, "direction", info->write ? "write" : "read");
    jf_set_string(L, "state", state_name(info->state));
    jf_set_integer(L, "bytes", (lua_Integer)info->bytes);
    if (info->total_known)
        jf_set_integer(L, "total", (lua_Integer)info->total);
    jf_set_integer(L, "blksize", info->blksize);
    jf_set_integer(L, "windowsize", info->windowsize);
    jf_set_integer(L, "retransmits", (lua_Integer)info->retransmits);
    jf_set_number(L, "elapsed_s", (double)(until_ns - info->started_ns) / 1e9);
    jf_set_string(L, "error", *info->error ? info->error : NULL);
    jf_set_string(L, "sha256", *info->sha256 ? info->sha256 : NULL);
}

static int tftp_transfers(lua_State *L) {
    struct jf_tftp *server = check_server(L);
    size_t max = jf_tftp_transfers(server, NULL, 0) + 16; // some may start meanwhile
    struct jf_tftp_info *infos = lua_newuserdatauv(L, max * sizeof *infos, 0);
    size_t count = jf_tftp_transfers(server, infos, max);
    lua_newtable(L);
    for (size_t i = 0; i < count && i < max; i++) {
        push_transfer(L, &infos[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int tftp_requests(lua_State *L) {
    struct jf_tftp_stats stats;
    jf_tftp_stats(check_server(L), &stats);
    lua_pushinteger(L, (lua_Integer)stats.requests);
    return 1;
}

static int tftp_stats(lua_State *L) {
    struct jf_tftp_stats stats;
    jf_tftp_stats(check_server(L), &stats);
    lua_newtable(L);
    jf_set_integer(L, "requests", (lua_Integer)stats.requests);
    jf_set_integer(L, "refused", (lua_Integer)stats.refused);
    jf_set_integer(L, "malformed", (lua_Integer)stats.malformed);
    return 1;
}

static int tftp_wait(lua_State *L) {
    static const char *const known[] = {"timeout_s", NULL};
    struct jf_tftp *server = check_server(L);
    struct jf_error err;
    struct jf_tftp_info info;
    const char *name = luaL_checkstring(L, 2);
    jf_opt_known(L, 3, known);
    jf_deadline deadline = jf_opt_deadline(L, 3, 60);
    if (jf_tftp_wait(server, name, deadline, jf_bind_context(L)->cancel, &info, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    push_transfer(L, &info);
    return 1;
}

static const luaL_Reg functions[] = {{"serve", tftp_serve}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"host", tftp_host},           {"port", tftp_port},         {"add", tftp_add},
    {"receive", tftp_receive},     {"remove", tftp_remove},     {"only", tftp_only},
    {"transfers", tftp_transfers}, {"requests", tftp_requests}, {"stats", tftp_stats},
    {"wait", tftp_wait},           {"close", tftp_close},       {NULL, NULL},
};

static const luaL_Reg meta[] = {{"__close", tftp_close}, {"__gc", tftp_close}, {NULL, NULL}};

int luaopen_jflash_tftp(lua_State *L) {
    jf_bind_class(L, SERVER, methods, meta);
    luaL_newlib(L, functions);
    return 1;
}
