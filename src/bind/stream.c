// SPDX-License-Identifier: Apache-2.0
#include "bind/stream.h"

#include <lauxlib.h>

void jf_stream_take(lua_State *L, int index, struct jf_stream *ret) {
    struct jf_stream stream = {0};
    const struct jf_stream_class *class = NULL;
    index = lua_absindex(L, index);
    if (luaL_getmetafield(L, index, JF_STREAM_FIELD) != LUA_TNIL) {
        class = lua_islightuserdata(L, -1) ? lua_touserdata(L, -1) : NULL;
        lua_pop(L, 1);
    }
    if (class)
        class->take(L, index, &stream);
    else
        luaL_error(L, "a stream expected, got %s", luaL_typename(L, index));
    *ret = stream;
}

void jf_stream_release(struct jf_stream *stream) {
    struct jf_stream taken = *stream;
    *stream = (struct jf_stream){0};
    if (taken.release)
        taken.release(taken.owner);
}
