// SPDX-License-Identifier: Apache-2.0
//
// jflash.format: what kind of data bytes are (image/format.h), for data that this
// host does not have as a file.
#include "bind/bind.h"

#include "image/format.h"

static enum jf_format check_name(lua_State *L, int arg) {
    enum jf_format format = jf_format_of_name(luaL_checkstring(L, arg));
    luaL_argcheck(L, format != JF_FORMAT_AUTO, arg, "no such format");
    return format;
}

static int format_detect(lua_State *L) {
    size_t len;
    const char *head = luaL_checklstring(L, 1, &len);
    lua_pushstring(L, jf_format_name(jf_format_detect(head, len)));
    return 1;
}

static int format_check(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    enum jf_format outer = check_name(L, 2);
    enum jf_format inner = lua_isnoneornil(L, 3) ? JF_FORMAT_AUTO : check_name(L, 3);
    char hint[JF_HINT_SIZE] = "";
    struct jf_error err;
    if (jf_format_check(outer, inner, name, hint, &err) != JF_OK) {
        int count = jf_bind_fail(L, &err);
        lua_pushstring(L, hint);
        return count + 1;
    }
    lua_pushboolean(L, true);
    return 1;
}

static const luaL_Reg functions[] = {
    {"detect", format_detect},
    {"check", format_check},
    {NULL, NULL},
};

int luaopen_jflash_format(lua_State *L) {
    luaL_newlib(L, functions);
    lua_pushinteger(L, JF_FORMAT_HEAD_SIZE);
    lua_setfield(L, -2, "HEAD_BYTES");
    return 1;
}
