// SPDX-License-Identifier: Apache-2.0
//
// sim-board: the host program of the scripted board, a fake of hardware at the
// wire (tests/sim/README.md). It runs a Lua script with the functions of wire.h.
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "wire.h"

static int add_traceback(lua_State *L) {
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

static void push_arguments(lua_State *L, int argc, char **argv) {
    lua_newtable(L);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_setglobal(L, "arg");
}

static int run(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    lua_State *L = luaL_newstate();
    if (!L)
        return EXIT_FAILURE;
    luaL_openlibs(L);
    luaL_requiref(L, "wire", sim_wire_open, 0);
    push_arguments(L, argc, argv);
    lua_settop(L, 0);
    lua_pushcfunction(L, add_traceback);
    bool failed = luaL_loadfile(L, argv[0]) != LUA_OK || lua_pcall(L, 0, 0, 1) != LUA_OK;
    if (failed)
        fprintf(stderr, "sim-board: %s\n", lua_tostring(L, -1));
    lua_close(L);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    if (argc >= 2)
        return run(argc - 1, argv + 1);
    fputs("usage: sim-board SCRIPT [OPTIONS…]\n", stderr);
    return 2;
}
