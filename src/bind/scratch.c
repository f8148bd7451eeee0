// SPDX-License-Identifier: Apache-2.0
#include "bind/scratch.h"

#include <lauxlib.h>
#include <string.h>

#define SCRATCH "jflash.scratch"

static int scratch_free(lua_State *L) {
    jf_buf_free(lua_touserdata(L, 1));
    return 0;
}

struct jf_buf *jf_scratch_buf(lua_State *L) {
    struct jf_buf *buf = lua_newuserdatauv(L, sizeof *buf, 0);
    *buf = (struct jf_buf){0};
    if (luaL_newmetatable(L, SCRATCH)) {
        lua_pushcfunction(L, scratch_free);
        lua_setfield(L, -2, "__close");
        lua_pushcfunction(L, scratch_free);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return buf;
}

void jf_scratch_push(lua_State *L, const struct jf_buf *buf) {
    lua_pushlstring(L, buf->data ? buf->data : "", buf->len);
}

const char *jf_check_text(lua_State *L, int arg) {
    size_t len;
    const char *text = luaL_checklstring(L, arg, &len);
    luaL_argcheck(L, strlen(text) == len, arg, "contains a NUL");
    return text;
}
