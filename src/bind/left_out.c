// SPDX-License-Identifier: Apache-2.0
//
// Modules that a build has left out (cmake/libraries.cmake): each of their functions
// fails, and says how to build it in.
#include "bind/left_out.h"

#include "bind/bind.h"
#include "bind/modules.h"

// Upvalues: the library, CMake's option.
static int fail(lua_State *L) {
    struct jf_error err;
    jf_fail(&err, JF_UNSUPPORTED, "this jflash was built without %s (cmake -D%s=ON builds it in)",
            lua_tostring(L, lua_upvalueindex(1)), lua_tostring(L, lua_upvalueindex(2)));
    return jf_bind_fail(L, &err);
}

// __index of the module: whatever is asked for is the function that fails.
static int look_up(lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(1));
    return 1;
}

static inline int open_left_out(lua_State *L, const char *library, const char *option) {
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, library);
    lua_pushstring(L, option);
    lua_pushcclosure(L, fail, 2);
    lua_pushcclosure(L, look_up, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    return 1;
}

#define JF_OPEN_LEFT_OUT(module, library, option)                                                  \
    int luaopen_jflash_##module(lua_State *L) {                                                    \
        return open_left_out(L, library, option);                                                  \
    }
JF_LEFT_OUT(JF_OPEN_LEFT_OUT)
