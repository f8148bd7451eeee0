// SPDX-License-Identifier: Apache-2.0
//
// jflash.store: the file that a dump grows into (image/store.h).
#include "bind/bind.h"

#include <string.h>

#include "image/encoder.h"
#include "image/store.h"

#define STORE "jflash.store"

struct box {
    struct jf_store *store; // NULL when closed
};

static struct jf_store *check_store(lua_State *L) {
    struct box *box = luaL_checkudata(L, 1, STORE);
    if (!box->store)
        luaL_error(L, "the store is closed");
    return box->store;
}

static enum jf_format opt_format(lua_State *L) {
    const char *name = jf_opt_string(L, 2, "format", "raw", NULL);
    enum jf_format format = jf_format_of_name(name);
    if (format != JF_FORMAT_RAW && !jf_encoder_knows(format))
        luaL_error(L, "option 'format': '%s' is none of raw, xz, zstd, gzip", name);
    return format;
}

static uint64_t need_size(lua_State *L, const char *key) {
    lua_Integer value = jf_opt_integer(L, 2, key, -1);
    if (value < 0)
        luaL_error(L, "option '%s' is missing or negative", key);
    return (uint64_t)value;
}

static int store_open(lua_State *L) {
    static const char *const known[] = {"format", NULL};
    const char *path = luaL_checkstring(L, 1);
    jf_opt_known(L, 2, known);
    enum jf_format format = opt_format(L);
    struct box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->store = NULL;
    luaL_setmetatable(L, STORE);
    struct jf_error err;
    if (jf_store_open(path, format, &box->store, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

static int store_bytes(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)jf_store_bytes(check_store(L)));
    return 1;
}

static int store_check(lua_State *L) {
    static const char *const known[] = {"bytes", "stored_bytes", "sha256", NULL};
    struct jf_store *store = check_store(L);
    jf_opt_known(L, 2, known);
    const char *sha256 = jf_opt_string(L, 2, "sha256", "", NULL);
    uint64_t bytes = need_size(L, "bytes"), stored_bytes = need_size(L, "stored_bytes");
    struct jf_error err;
    enum jf_code code =
        jf_store_check(store, bytes, stored_bytes, sha256, jf_bind_context(L)->cancel, &err);
    return jf_bind_result(L, code, &err);
}

static int store_add(lua_State *L) {
    static const char *const known[] = {"file", "bytes", NULL};
    struct jf_store *store = check_store(L);
    jf_opt_known(L, 2, known);
    const char *file = jf_opt_string(L, 2, "file", NULL, NULL);
    uint64_t bytes = need_size(L, "bytes"), stored_bytes;
    const struct jf_cancel *cancel = jf_bind_context(L)->cancel;
    struct jf_error err;
    enum jf_code code = file ? jf_store_add_file(store, file, bytes, cancel, &stored_bytes, &err)
                             : jf_store_add_zeros(store, bytes, cancel, &stored_bytes, &err);
    if (code != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushinteger(L, (lua_Integer)stored_bytes);
    return 1;
}

static int store_finish(lua_State *L) {
    static const char *const known[] = {"replace", NULL};
    struct jf_store *store = check_store(L);
    const char *path = luaL_checkstring(L, 2);
    jf_opt_known(L, 3, known);
    bool replace = jf_opt_boolean(L, 3, "replace", false);
    char sha256[JF_SHA256_HEX_SIZE];
    struct jf_error err;
    if (jf_store_finish(store, path, replace, sha256, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushstring(L, sha256);
    return 1;
}

static int store_close(lua_State *L) {
    struct box *box = luaL_checkudata(L, 1, STORE);
    jf_store_close(box->store);
    box->store = NULL;
    return 0;
}

static const luaL_Reg functions[] = {{"open", store_open}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"bytes", store_bytes},   {"check", store_check}, {"add", store_add},
    {"finish", store_finish}, {"close", store_close}, {NULL, NULL},
};

static const luaL_Reg meta[] = {{"__close", store_close}, {"__gc", store_close}, {NULL, NULL}};

int luaopen_jflash_store(lua_State *L) {
    jf_bind_class(L, STORE, methods, meta);
    luaL_newlib(L, functions);
    return 1;
}
