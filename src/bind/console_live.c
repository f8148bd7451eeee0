// SPDX-License-Identifier: Apache-2.0
//
// jflash.console: a console's live terminal.
#include <math.h>
#include <unistd.h>

#include "bind/bind.h"
#include "bind/console.h"
#include "console/live.h"

#define LIVE "jflash.console.live"
#define CTRL_BRACKET '\x1d'
#define FD_LIMIT (1 << 20)

struct handle {
    struct jf_live *live; // NULL once closed
};

static struct jf_live *check_live(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, LIVE);
    if (!handle->live)
        luaL_error(L, "the live terminal is closed");
    return handle->live;
}

static int live_close(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, LIVE);
    struct jf_live *live = handle->live;
    handle->live = NULL;
    jf_live_close(live);
    return 0;
}

static int opt_fd(lua_State *L, const char *key, int fallback) {
    lua_Integer fd = jf_opt_integer(L, 2, key, fallback);
    luaL_argcheck(L, fd >= 0 && fd < FD_LIMIT, 2, "no descriptor");
    return (int)fd;
}

int jf_bind_console_attach(lua_State *L) {
    static const char *const known[] = {"input_fd", "output_fd", "escape", NULL};
    struct jf_console *console = jf_bind_check_console(L);
    jf_opt_known(L, 2, known);
    size_t escape_len;
    const char *escape = jf_opt_string(L, 2, "escape", NULL, &escape_len);
    luaL_argcheck(L, !escape || escape_len == 1, 2, "escape is one byte");
    struct jf_live_options options = {
        .input_fd = opt_fd(L, "input_fd", STDIN_FILENO),
        .output_fd = opt_fd(L, "output_fd", STDOUT_FILENO),
        .escape = CTRL_BRACKET,
        .terminal = jf_bind_context(L)->terminal,
    };
    if (escape)
        options.escape = escape[0];
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    handle->live = NULL;
    luaL_setmetatable(L, LIVE);
    struct jf_error err;
    if (jf_live_open(console, &options, &handle->live, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

// Without the option it waits as long as it takes.
static jf_deadline opt_deadline(lua_State *L) {
    static const char *const known[] = {"timeout_s", NULL};
    jf_opt_known(L, 2, known);
    double seconds = jf_opt_number(L, 2, "timeout_s", HUGE_VAL);
    return isinf(seconds) ? JF_NEVER : jf_deadline_in(seconds);
}

static int live_run(lua_State *L) {
    static const char *const ends[] = {
        [JF_LIVE_ESCAPE] = "escape",   [JF_LIVE_EOF] = "eof",         [JF_LIVE_CLOSED] = "closed",
        [JF_LIVE_RESIZED] = "resized", [JF_LIVE_TIMEOUT] = "timeout",
    };
    struct jf_live *live = check_live(L);
    jf_deadline deadline = opt_deadline(L);
    enum jf_live_end end;
    struct jf_error err;
    if (jf_live_run(live, deadline, jf_bind_context(L)->cancel, &end, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushstring(L, ends[end]);
    return 1;
}

static int live_key(lua_State *L) {
    struct jf_live *live = check_live(L);
    jf_deadline deadline = opt_deadline(L);
    char key;
    struct jf_error err;
    if (jf_live_key(live, deadline, jf_bind_context(L)->cancel, &key, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushlstring(L, &key, 1);
    return 1;
}

static int live_rest(lua_State *L) {
    jf_live_rest(check_live(L));
    return 0;
}

static const luaL_Reg methods[] = {
    {"run", live_run}, {"key", live_key}, {"rest", live_rest}, {"close", live_close}, {NULL, NULL},
};
static const luaL_Reg meta[] = {{"__close", live_close}, {"__gc", live_close}, {NULL, NULL}};

void jf_bind_add_live(lua_State *L) {
    jf_bind_class(L, LIVE, methods, meta);
}
