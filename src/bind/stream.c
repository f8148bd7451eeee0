// SPDX-License-Identifier: Apache-2.0
#include "bind/stream.h"

#include <lauxlib.h>

struct jf_queue *jf_stream_check(lua_State *L, int index) {
    int type = luaL_getmetafield(L, index, JF_STREAM_FIELD);
    bool offers = type == LUA_TBOOLEAN && lua_toboolean(L, -1);
    if (type != LUA_TNIL)
        lua_pop(L, 1);
    if (!offers || lua_type(L, index) != LUA_TUSERDATA)
        luaL_error(L, "a stream expected, got %s", luaL_typename(L, index));
    const struct jf_stream_source *source = lua_touserdata(L, index);
    if (!source->queue)
        luaL_error(L, "the stream is closed");
    return source->queue;
}
