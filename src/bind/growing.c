// SPDX-License-Identifier: Apache-2.0
#include "bind/growing.h"

#include <lauxlib.h>
#include <stddef.h>

void jf_growing_borrow(lua_State *L, int index, struct jf_growing *ret) {
    const struct jf_growing_class *class = NULL;
    index = lua_absindex(L, index);
    if (luaL_getmetafield(L, index, JF_GROWING_FIELD) != LUA_TNIL) {
        class = lua_islightuserdata(L, -1) ? lua_touserdata(L, -1) : NULL;
        lua_pop(L, 1);
    }
    if (class)
        class->borrow(L, index, ret);
    else
        luaL_error(L, "a download expected, got %s", luaL_typename(L, index));
}
