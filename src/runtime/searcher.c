// SPDX-License-Identifier: Apache-2.0
#include "runtime/searcher.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "bind/modules.h"
#include "runtime/embedded.h"
#include "runtime/version.h"

#define BUILTIN "@builtin/"

// Appends the absolute entries of a colon-separated list to the table at the top.
static void add_list(lua_State *L, const char *list) {
    while (list && *list) {
        size_t len = strcspn(list, ":");
        if (len > 0 && list[0] == '/') {
            lua_pushlstring(L, list, len);
            lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        }
        list += len + (list[len] == ':');
    }
}

static void add_user_directory(lua_State *L) {
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    if (config && config[0] == '/')
        lua_pushfstring(L, "%s/jflash", config);
    else if (home && home[0] == '/')
        lua_pushfstring(L, "%s/.config/jflash", home);
    else
        return;
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

// Pushes the array of search directories.
static void push_directories(lua_State *L) {
    lua_newtable(L); // dirs
    add_list(L, getenv("JFLASH_PATH"));
    add_user_directory(L);
    add_list(L, "/etc/jflash:" JF_SHARE_DIR);
}

static void set_paths(lua_State *L) {
    lua_getglobal(L, "package"); // package
    luaL_Buffer path;
    push_directories(L); // package dirs
    int dirs = lua_gettop(L);
    luaL_buffinit(L, &path);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, dirs); i++) {
        lua_rawgeti(L, dirs, i);
        const char *dir = lua_tostring(L, -1);
        lua_pushfstring(L, "%s%s/?.lua;%s/?/init.lua", i > 1 ? ";" : "", dir, dir);
        lua_remove(L, -2);
        luaL_addvalue(&path);
    }
    luaL_pushresult(&path);            // package dirs path
    lua_setfield(L, dirs - 1, "path"); // package dirs
    lua_pushliteral(L, "");
    lua_setfield(L, dirs - 1, "cpath");
    lua_settop(L, dirs - 2);
}

static const struct jf_embedded *find_module(lua_State *L, const char *module) {
    const char *slashed = luaL_gsub(L, module, ".", "/");
    static const char *const places[] = {"lua/%s.lua", "lua/%s/init.lua", "vendor/%s.lua"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const struct jf_embedded *file = jf_embedded_find(lua_pushfstring(L, places[i], slashed));
        if (file)
            return file;
    }
    return NULL;
}

// A package.searchers entry: loader and its data, or a text that says what was tried.
static int search_embedded(lua_State *L) {
    const char *module = luaL_checkstring(L, 1);
    const struct jf_embedded *file = find_module(L, module);
    if (!file) {
        lua_pushfstring(L, "no embedded module '%s'", module);
        return 1;
    }
    const char *chunk = lua_pushfstring(L, BUILTIN "%s", file->name);
    if (luaL_loadbuffer(L, (const char *)file->data, file->size, chunk) != LUA_OK)
        return lua_error(L);
    lua_pushstring(L, chunk + 1);
    return 2;
}

// Puts the embedded searcher behind the one for Lua files and drops those for C
// libraries: nothing of this program's is loaded from a shared object.
static void set_searchers(lua_State *L) {
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers"); // package searchers
    lua_pushcfunction(L, search_embedded);
    lua_rawseti(L, -2, 3);
    lua_pushnil(L);
    lua_rawseti(L, -2, 4);
    lua_pop(L, 2);
}

static void preload_modules(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE); // preload
#define JF_PRELOAD(name)                                                                           \
    lua_pushcfunction(L, luaopen_jflash_##name);                                                   \
    lua_setfield(L, -2, "jflash." #name);
    JF_MODULES(JF_PRELOAD)
#undef JF_PRELOAD
    lua_pop(L, 1);
}

// embedded(name): the text of an embedded file, or nil.
static int runtime_embedded(lua_State *L) {
    const struct jf_embedded *file = jf_embedded_find(luaL_checkstring(L, 1));
    if (!file)
        return 0;
    lua_pushlstring(L, (const char *)file->data, file->size);
    return 1;
}

// embedded_names(): the sorted names of all embedded files.
static int runtime_embedded_names(lua_State *L) {
    lua_newtable(L);
    lua_Integer count = 0;
    for (const struct jf_embedded *file = jf_embedded_files; file->name; file++) {
        lua_pushstring(L, file->name);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

// directories(): the search directories, first match wins.
static int runtime_directories(lua_State *L) {
    push_directories(L);
    return 1;
}

// c_modules(): the names of the modules written in C.
static int runtime_c_modules(lua_State *L) {
    lua_newtable(L);
    lua_Integer count = 0;
#define JF_LIST(name)                                                                              \
    lua_pushliteral(L, "jflash." #name);                                                           \
    lua_rawseti(L, -2, ++count);
    JF_MODULES(JF_LIST)
#undef JF_LIST
    return 1;
}

static const luaL_Reg runtime_functions[] = {
    {"embedded", runtime_embedded},
    {"embedded_names", runtime_embedded_names},
    {"directories", runtime_directories},
    {"c_modules", runtime_c_modules},
    {NULL, NULL},
};

static int open_runtime(lua_State *L) {
    luaL_newlib(L, runtime_functions);
    lua_pushliteral(L, JF_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushinteger(L, JF_API);
    lua_setfield(L, -2, "api");
    lua_pushliteral(L, JF_SHARE_DIR);
    lua_setfield(L, -2, "share_dir");
    return 1;
}

void jf_searcher_install(lua_State *L) {
    set_paths(L);
    set_searchers(L);
    preload_modules(L);
    luaL_requiref(L, "jflash.runtime", open_runtime, 0);
    lua_pop(L, 1);
}
