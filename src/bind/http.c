// SPDX-License-Identifier: Apache-2.0
//
// jflash.http: an HTTP server of registered contents (serve/http.h).
#include "bind/bind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bind/stream.h"
#include "serve/http.h"

#define SERVER "jflash.http"

#define DEFAULT_IDLE_TIMEOUT_S 60
#define DEFAULT_CONNECTION_LIMIT 64
#define DEFAULT_WAIT_S 60

// Its user value is a table: name -> struct taken that is registered.
struct server {
    struct jf_http *http; // NULL when closed
};

// A producer's stream. While it is registered only the server's binding releases
// it: when a state ends, this is collected before the server is.
struct taken {
    struct jf_stream stream;
    bool registered;
};

#define STREAM "jflash.http.stream"

// A list of transfers that survives a Lua error.
struct list {
    struct jf_http_transfer *items;
    size_t count;
};

#define LIST "jflash.http.list"

static struct jf_http *check_server(lua_State *L) {
    struct server *server = luaL_checkudata(L, 1, SERVER);
    if (!server->http)
        luaL_error(L, "the HTTP server is closed");
    return server->http;
}

static const char *check_name(lua_State *L) {
    const char *name = luaL_checkstring(L, 2);
    luaL_argcheck(L, jf_http_is_name(name), 2,
                  "a name is 1 to 127 of A-Z a-z 0-9 . _ - and does not begin with a dot");
    return name;
}

static lua_Integer opt_range(lua_State *L, int arg, const char *key, lua_Integer fallback,
                             lua_Integer max) {
    lua_Integer value = jf_opt_integer(L, arg, key, fallback);
    if (value < 0 || value > max)
        luaL_error(L, "option '%s': %I is outside 0 to %I", key, (LUAI_UACINT)value,
                   (LUAI_UACINT)max);
    return value;
}

static int http_serve(lua_State *L) {
    static const char *const known[] = {"host", "port", "idle_timeout_s", "connection_limit", NULL};
    struct jf_error err;
    lua_settop(L, 1);
    jf_opt_known(L, 1, known);
    struct jf_http_options options = {
        .host = jf_opt_string(L, 1, "host", "127.0.0.1", NULL),
        .port = (uint16_t)opt_range(L, 1, "port", 0, UINT16_MAX),
        .idle_timeout_s =
            (unsigned)opt_range(L, 1, "idle_timeout_s", DEFAULT_IDLE_TIMEOUT_S, 86400),
        .connection_limit =
            (unsigned)opt_range(L, 1, "connection_limit", DEFAULT_CONNECTION_LIMIT, 10000),
    };
    struct server *server = lua_newuserdatauv(L, sizeof *server, 1);
    server->http = NULL;
    luaL_setmetatable(L, SERVER);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    if (jf_http_start(&options, &server->http, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

static int taken_release(lua_State *L) {
    struct taken *taken = luaL_checkudata(L, 1, STREAM);
    if (!taken->registered)
        jf_stream_release(&taken->stream);
    return 0;
}

// The server has let go of the struct taken at the top of the stack (or nil).
// Pops it.
static void unregister(lua_State *L) {
    struct taken *taken = lua_touserdata(L, -1);
    if (taken) {
        taken->registered = false;
        jf_stream_release(&taken->stream);
    }
    lua_pop(L, 1);
}

static int server_close(lua_State *L) {
    struct server *server = luaL_checkudata(L, 1, SERVER);
    jf_http_stop(server->http);
    server->http = NULL;
    if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE) // streams
        return 0;
    lua_pushnil(L);
    while (lua_next(L, -2)) // streams name taken
        unregister(L);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, 1);
    return 0;
}

static int server_host(lua_State *L) {
    lua_pushstring(L, jf_http_host(check_server(L)));
    return 1;
}

static int server_port(lua_State *L) {
    lua_pushinteger(L, jf_http_port(check_server(L)));
    return 1;
}

static int push_path(lua_State *L, const struct jf_http *http, const char *name) {
    lua_pushfstring(L, "/%s/%s", jf_http_token(http), name);
    return 1;
}

static struct jf_http_labels opt_labels(lua_State *L) {
    size_t len;
    struct jf_http_labels labels = {
        .type = jf_opt_string(L, 3, "type", NULL, NULL),
        .sha256 = jf_opt_string(L, 3, "sha256", NULL, &len),
    };
    if (labels.sha256 && (len != 64 || strspn(labels.sha256, "0123456789abcdef") != 64))
        luaL_error(L, "option 'sha256': 64 lower-case hexadecimal digits expected");
    for (const char *c = labels.type; c && *c; c++) {
        if (*c < ' ' || *c > '~')
            luaL_error(L, "option 'type': printable ASCII expected");
    }
    return labels;
}

static enum jf_code add_stream(lua_State *L, struct jf_http *http, const char *name,
                               const struct jf_http_labels *labels, struct jf_error *err) {
    lua_Integer length = jf_opt_integer(L, 3, "length", JF_HTTP_UNKNOWN);
    if (length < JF_HTTP_UNKNOWN)
        luaL_error(L, "option 'length': a size expected");
    lua_getiuservalue(L, 1, 1); // streams
    if (lua_getfield(L, -1, name) != LUA_TNIL)
        return jf_fail_errno(err, EEXIST, "http: register \"%s\"", name);
    lua_getfield(L, 3, "stream"); // streams nil producer
    struct taken *taken = lua_newuserdatauv(L, sizeof *taken, 0);
    *taken = (struct taken){0};
    luaL_setmetatable(L, STREAM); // streams nil producer taken
    jf_stream_take(L, -2, &taken->stream);
    // What can raise comes before the server holds the queue.
    lua_setfield(L, -4, name);
    enum jf_code code = jf_http_add_stream(http, name, taken->stream.queue, length, labels, err);
    taken->registered = code == JF_OK;
    if (code == JF_OK)
        return JF_OK;
    jf_stream_release(&taken->stream);
    lua_pushnil(L);
    lua_setfield(L, -4, name);
    return code;
}

static int server_add(lua_State *L) {
    static const char *const known[] = {"file", "bytes",  "stream", "length",
                                        "type", "sha256", NULL};
    struct jf_error err;
    size_t len;
    struct jf_http *http = check_server(L);
    const char *name = check_name(L);
    luaL_checktype(L, 3, LUA_TTABLE);
    jf_opt_known(L, 3, known);
    struct jf_http_labels labels = opt_labels(L);
    const char *file = jf_opt_string(L, 3, "file", NULL, NULL);
    const char *bytes = jf_opt_string(L, 3, "bytes", NULL, &len);
    bool has_stream = lua_getfield(L, 3, "stream") != LUA_TNIL;
    lua_pop(L, 1);
    luaL_argcheck(L, (file != NULL) + (bytes != NULL) + has_stream == 1, 3,
                  "one of file, bytes and stream expected");
    enum jf_code code;
    if (file)
        code = jf_http_add_file(http, name, file, &labels, &err);
    else if (bytes)
        code = jf_http_add_bytes(http, name, bytes, len, &labels, &err);
    else
        code = add_stream(L, http, name, &labels, &err);
    return code == JF_OK ? push_path(L, http, name) : jf_bind_fail(L, &err);
}

static int server_receive(lua_State *L) {
    static const char *const known[] = {"file", "limit_bytes", NULL};
    struct jf_error err;
    struct jf_http *http = check_server(L);
    const char *name = check_name(L);
    luaL_checktype(L, 3, LUA_TTABLE);
    jf_opt_known(L, 3, known);
    const char *file = jf_opt_string(L, 3, "file", NULL, NULL);
    lua_Integer limit = jf_opt_integer(L, 3, "limit_bytes", -1);
    luaL_argcheck(L, file != NULL, 3, "option 'file' is missing");
    luaL_argcheck(L, limit >= 0, 3, "option 'limit_bytes' is missing or negative");
    if (jf_http_receive(http, name, file, limit, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return push_path(L, http, name);
}

static int server_remove(lua_State *L) {
    struct jf_http *http = check_server(L);
    const char *name = luaL_checkstring(L, 2);
    lua_pushboolean(L, jf_http_remove(http, name)); // removed
    lua_getiuservalue(L, 1, 1);                     // removed streams
    lua_getfield(L, -1, name);                      // removed streams taken
    unregister(L);                                  // removed streams
    lua_pushnil(L);
    lua_setfield(L, -2, name);
    lua_pop(L, 1); // removed
    return 1;
}

static int server_only(lua_State *L) {
    struct jf_http *http = check_server(L);
    const char *address = luaL_optstring(L, 2, NULL);
    luaL_argcheck(L, jf_http_only(http, address), 2, "an IPv4 address expected");
    return 0;
}

static int server_requests(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)jf_http_requests(check_server(L)));
    return 1;
}

static void push_transfer(lua_State *L, const struct jf_http_transfer *transfer) {
    static const char *const states[] = {
        [JF_HTTP_ACTIVE] = "active", [JF_HTTP_DONE] = "done", [JF_HTTP_FAILED] = "failed"};
    lua_createtable(L, 0, 10);
    jf_set_string(L, "name", transfer->name);
    jf_set_string(L, "client", transfer->client);
    jf_set_string(L, "method", transfer->method);
    jf_set_string(L, "state", states[transfer->state]);
    jf_set_integer(L, "status", transfer->status);
    jf_set_integer(L, "bytes", transfer->bytes);
    if (transfer->total != JF_HTTP_UNKNOWN)
        jf_set_integer(L, "total", transfer->total);
    jf_set_integer(L, "first_byte", transfer->first_byte);
    jf_set_number(L, "elapsed_s", transfer->elapsed_s);
    if (transfer->state == JF_HTTP_FAILED)
        jf_set_string(L, "error", transfer->error);
}

static int list_free(lua_State *L) {
    struct list *list = luaL_checkudata(L, 1, LIST);
    free(list->items);
    list->items = NULL;
    return 0;
}

static int server_transfers(lua_State *L) {
    struct jf_http *http = check_server(L);
    struct list *list = lua_newuserdatauv(L, sizeof *list, 0);
    *list = (struct list){0};
    luaL_setmetatable(L, LIST);
    lua_toclose(L, -1);
    if (!jf_http_transfers(http, &list->items, &list->count))
        return luaL_error(L, "not enough memory");
    lua_createtable(L, (int)list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        push_transfer(L, &list->items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int server_progress(lua_State *L) {
    struct jf_http_transfer transfer;
    if (!jf_http_progress(check_server(L), luaL_checkstring(L, 2), &transfer))
        return 0;
    push_transfer(L, &transfer);
    return 1;
}

static int server_wait(lua_State *L) {
    static const char *const known[] = {"timeout_s", NULL};
    struct jf_http_transfer transfer;
    struct jf_error err;
    struct jf_http *http = check_server(L);
    const char *name = check_name(L);
    jf_opt_known(L, 3, known);
    jf_deadline deadline = jf_opt_deadline(L, 3, DEFAULT_WAIT_S);
    if (jf_http_wait(http, name, deadline, jf_bind_context(L)->cancel, &transfer, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    push_transfer(L, &transfer);
    return 1;
}

static int server_received(lua_State *L) {
    int64_t bytes;
    char sha256[JF_SHA256_HEX_SIZE];
    if (!jf_http_received(check_server(L), luaL_checkstring(L, 2), &bytes, sha256))
        return 0;
    lua_createtable(L, 0, 2);
    jf_set_integer(L, "bytes", bytes);
    jf_set_string(L, "sha256", sha256);
    return 1;
}

static const luaL_Reg functions[] = {{"serve", http_serve}, {NULL, NULL}};

static const luaL_Reg server_methods[] = {
    {"host", server_host},
    {"port", server_port},
    {"add", server_add},
    {"receive", server_receive},
    {"remove", server_remove},
    {"only", server_only},
    {"requests", server_requests},
    {"transfers", server_transfers},
    {"progress", server_progress},
    {"wait", server_wait},
    {"received", server_received},
    {"close", server_close},
    {NULL, NULL},
};

static const luaL_Reg server_meta[] = {
    {"__close", server_close}, {"__gc", server_close}, {NULL, NULL}};

static const luaL_Reg no_methods[] = {{NULL, NULL}};
static const luaL_Reg stream_meta[] = {
    {"__close", taken_release}, {"__gc", taken_release}, {NULL, NULL}};
static const luaL_Reg list_meta[] = {{"__close", list_free}, {"__gc", list_free}, {NULL, NULL}};

int luaopen_jflash_http(lua_State *L) {
    jf_bind_class(L, SERVER, server_methods, server_meta);
    jf_bind_class(L, STREAM, no_methods, stream_meta);
    jf_bind_class(L, LIST, no_methods, list_meta);
    luaL_newlib(L, functions);
    return 1;
}
