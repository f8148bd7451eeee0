// SPDX-License-Identifier: Apache-2.0
#include "bind/bind.h"

#include <string.h>

struct jf_context *jf_bind_context(lua_State *L) {
    return *(struct jf_context **)lua_getextraspace(L);
}

void jf_bind_set_context(lua_State *L, struct jf_context *context) {
    *(struct jf_context **)lua_getextraspace(L) = context;
}

int jf_bind_fail(lua_State *L, const struct jf_error *err) {
    if (err->code == JF_CANCELLED)
        jf_cancel_told(jf_bind_context(L)->cancel);
    lua_pushnil(L);
    lua_pushstring(L, err->message);
    lua_pushstring(L, jf_code_name(err->code));
    const char *name = err->sys_errno ? strerrorname_np(err->sys_errno) : NULL;
    if (!name)
        return 3;
    lua_pushstring(L, name);
    return 4;
}

int jf_bind_result(lua_State *L, enum jf_code code, const struct jf_error *err) {
    if (code != JF_OK)
        return jf_bind_fail(L, err);
    lua_pushboolean(L, true);
    return 1;
}

void jf_bind_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *meta) {
    luaL_newmetatable(L, name); // metatable
    if (meta)
        luaL_setfuncs(L, meta, 0);
    lua_newtable(L); // metatable methods
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index"); // metatable
    lua_pop(L, 1);
}

static bool is_known(const char *key, const char *const *known) {
    for (; *known; known++) {
        if (strcmp(key, *known) == 0)
            return true;
    }
    return false;
}

void jf_opt_known(lua_State *L, int arg, const char *const *known) {
    if (lua_isnoneornil(L, arg))
        return;
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_pushnil(L); // key
    while (lua_next(L, arg)) {
        lua_pop(L, 1); // key
        if (lua_type(L, -1) != LUA_TSTRING)
            luaL_argerror(L, arg, "option names are strings");
        if (!is_known(lua_tostring(L, -1), known))
            luaL_error(L, "bad argument #%d: unknown option '%s'", arg, lua_tostring(L, -1));
    }
}

// Pushes the option and tells whether it is there; pushes nothing when it is not.
static bool push_option(lua_State *L, int arg, const char *key) {
    if (!lua_istable(L, arg))
        return false;
    if (lua_getfield(L, arg, key) != LUA_TNIL)
        return true;
    lua_pop(L, 1);
    return false;
}

static void wrong_type(lua_State *L, const char *key, const char *expected) {
    luaL_error(L, "option '%s': %s expected, got %s", key, expected, luaL_typename(L, -1));
}

double jf_opt_number(lua_State *L, int arg, const char *key, double fallback) {
    if (!push_option(L, arg, key))
        return fallback;
    if (lua_type(L, -1) != LUA_TNUMBER)
        wrong_type(L, key, "number");
    double value = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

lua_Integer jf_opt_integer(lua_State *L, int arg, const char *key, lua_Integer fallback) {
    if (!push_option(L, arg, key))
        return fallback;
    int exact = 0;
    lua_Integer value = lua_tointegerx(L, -1, &exact);
    if (lua_type(L, -1) != LUA_TNUMBER || !exact)
        wrong_type(L, key, "integer");
    lua_pop(L, 1);
    return value;
}

bool jf_opt_boolean(lua_State *L, int arg, const char *key, bool fallback) {
    if (!push_option(L, arg, key))
        return fallback;
    if (!lua_isboolean(L, -1))
        wrong_type(L, key, "boolean");
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

const char *jf_opt_string(lua_State *L, int arg, const char *key, const char *fallback,
                          size_t *ret_len) {
    if (ret_len)
        *ret_len = fallback ? strlen(fallback) : 0;
    if (!push_option(L, arg, key))
        return fallback;
    if (lua_type(L, -1) != LUA_TSTRING)
        wrong_type(L, key, "string");
    const char *value = lua_tolstring(L, -1, ret_len);
    lua_pop(L, 1); // the table keeps it alive
    return value;
}

const char *const *jf_opt_headers(lua_State *L, int arg) {
    if (lua_getfield(L, arg, "headers") == LUA_TNIL)
        return NULL;
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_Integer count = luaL_len(L, -1);
    const char **headers = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *headers, 0);
    for (lua_Integer i = 0; i < count; i++) {
        // The string stays in the table, and so does not go away.
        if (lua_rawgeti(L, -2, i + 1) != LUA_TSTRING)
            luaL_error(L, "option 'headers': texts expected");
        headers[i] = lua_tostring(L, -1);
        if (strpbrk(headers[i], "\r\n") || !strchr(headers[i], ':'))
            luaL_error(L, "option 'headers': 'Name: value' expected");
        lua_pop(L, 1);
    }
    headers[count] = NULL;
    return headers;
}

jf_deadline jf_opt_deadline(lua_State *L, int arg, double fallback_s) {
    return jf_deadline_in(jf_opt_number(L, arg, "timeout_s", fallback_s));
}

void jf_set_integer(lua_State *L, const char *key, lua_Integer value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

void jf_set_number(lua_State *L, const char *key, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, key);
}

void jf_set_boolean(lua_State *L, const char *key, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, key);
}

void jf_set_string(lua_State *L, const char *key, const char *value) {
    if (!value)
        return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}
