// SPDX-License-Identifier: Apache-2.0
//
// sim-board: the host program of the scripted board, a fake of hardware at the
// wire (tests/sim/README.md). It runs a Lua script with the functions of wire.h.
//
//   sim-board run SCRIPT OPTIONS…   runs the script until its starter is gone
//   sim-board tell SOCKET REQUEST   asks a running board; prints its answer
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

// One request, one answer ("ok …" or "error …"), and the connection ends.
static int tell(const char *path, const char *request) {
    char answer[4096];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ssize_t got = -1;
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, request, strlen(request), MSG_NOSIGNAL) >= 0)
        got = recv(fd, answer, sizeof answer - 1, 0);
    if (got <= 0) {
        fprintf(stderr, "sim-board: %s: %s\n", path, got < 0 ? strerror(errno) : "no answer");
        return EXIT_FAILURE;
    }
    answer[got] = '\0';
    bool ok = strncmp(answer, "ok", 2) == 0;
    const char *text = strchr(answer, ' ');
    fprintf(ok ? stdout : stderr, "%s\n", text ? text + 1 : answer);
    close(fd);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    if (argc >= 3 && strcmp(argv[1], "run") == 0)
        return run(argc - 2, argv + 2);
    if (argc == 4 && strcmp(argv[1], "tell") == 0)
        return tell(argv[2], argv[3]);
    fputs("usage: sim-board run SCRIPT [OPTIONS…] | sim-board tell SOCKET REQUEST\n", stderr);
    return 2;
}
