// SPDX-License-Identifier: Apache-2.0
//
// jflash.console: a board's serial console, wherever it is.
#include "bind/console.h"

#include <string.h>
#include <unistd.h>

#include "bind/bind.h"
#include "console/console.h"
#include "console/tty.h"

#define CONSOLE "jflash.console"
#define MATCH "jflash.console.match"
#define TEXT "jflash.console.text"

// Sending at a pace takes its time: the default deadline leaves room for it.
#define SEND_TIMEOUT_S 10.0

struct handle {
    struct jf_console *console; // NULL once closed
};

struct jf_console *jf_bind_check_console(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, CONSOLE);
    if (!handle->console)
        luaL_error(L, "the console is closed");
    return handle->console;
}

static int console_close(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, CONSOLE);
    struct jf_console *console = handle->console;
    handle->console = NULL;
    jf_console_close(console);
    return 0;
}

static int text_free(lua_State *L) {
    jf_buf_free(luaL_checkudata(L, 1, TEXT));
    return 0;
}

// A buffer that survives a Lua error: it is closed with the function's frame.
static struct jf_buf *push_text(lua_State *L) {
    struct jf_buf *text = lua_newuserdatauv(L, sizeof *text, 0);
    *text = (struct jf_buf){0};
    luaL_setmetatable(L, TEXT);
    lua_toclose(L, -1);
    return text;
}

static int match_free(lua_State *L) {
    jf_match_clear(luaL_checkudata(L, 1, MATCH));
    return 0;
}

static struct jf_match *push_match(lua_State *L) {
    struct jf_match *match = lua_newuserdatauv(L, sizeof *match, 0);
    *match = (struct jf_match){0};
    luaL_setmetatable(L, MATCH);
    lua_toclose(L, -1);
    return match;
}

static void push_buf(lua_State *L, const struct jf_buf *buf) {
    lua_pushlstring(L, buf->data ? buf->data : "", buf->len);
}

static int console_open(lua_State *L) {
    static const char *const known[] = {"baudrate", "window_bytes", "name", "timeout_s", "bytesize",
                                        "parity",   "stopbits",     "flow", "hupcl",     "dtr",
                                        "rts",      "cts",          "dsr",  "xon_xoff",  NULL};
    static const struct jf_line usual_line = {
        .baudrate = 115200, .bytesize = 8, .stopbits = 1, .hang_up = true};
    const char *where = luaL_checkstring(L, 1);
    jf_opt_known(L, 2, known);
    struct jf_console_options options = {
        .name = jf_opt_string(L, 2, "name", NULL, NULL),
        .window_bytes = (size_t)jf_bind_opt_range(L, 2, "window_bytes", 1 << 20,
                                                  JF_CONSOLE_MIN_WINDOW, 1 << 30),
        .line = jf_bind_opt_line(L, 2, &usual_line),
        .redactor = jf_bind_context(L)->redactor,
    };
    jf_deadline deadline = jf_opt_deadline(L, 2, 10);
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    handle->console = NULL;
    luaL_setmetatable(L, CONSOLE);
    struct jf_error err;
    if (jf_console_open(where, &options, deadline, jf_bind_context(L)->cancel, &handle->console,
                        &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

static int console_find(lua_State *L) {
    char node[PATH_MAX];
    struct jf_error err;
    if (jf_tty_find(luaL_checkstring(L, 1), node, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushstring(L, node);
    return 1;
}

// The patterns in a field or argument (a string, an array of strings, or nil),
// put behind the `count` that are there. The value at `index` keeps them alive.
static size_t count_patterns(lua_State *L, int index) {
    if (lua_isnoneornil(L, index))
        return 0;
    return lua_istable(L, index) ? (size_t)luaL_len(L, index) : 1;
}

static void read_pattern(lua_State *L, int index, struct jf_pattern *pattern) {
    if (lua_type(L, index) != LUA_TSTRING)
        luaL_error(L, "patterns are strings, got %s", luaL_typename(L, index));
    pattern->text = lua_tolstring(L, index, &pattern->len);
    if (pattern->len == 0 || strcmp(pattern->text, JF_PATTERN_REGEX) == 0)
        luaL_error(L, "a pattern is empty");
}

static void read_patterns(lua_State *L, int index, struct jf_pattern *patterns, size_t count) {
    if (!lua_istable(L, index)) {
        if (count)
            read_pattern(L, index, patterns);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        read_pattern(L, -1, &patterns[i]);
        lua_pop(L, 1); // the table keeps it alive
    }
}

static void push_captures(lua_State *L, const struct jf_match *match) {
    lua_createtable(L, (int)match->capture_count, 0);
    for (size_t i = 0; i < match->capture_count; i++) {
        const struct jf_capture *capture = &match->captures[i];
        if (!capture->is_set)
            lua_pushboolean(L, false);
        else
            lua_pushlstring(L, capture->len ? match->group_bytes.data + capture->start : "",
                            capture->len);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_match_table(lua_State *L, const struct jf_match *match, size_t normal_count) {
    bool failed = match->index >= normal_count;
    size_t index = failed ? match->index - normal_count : match->index;
    lua_createtable(L, 0, 6);
    jf_set_integer(L, "index", (lua_Integer)index + 1);
    jf_set_boolean(L, "failed", failed);
    jf_set_boolean(L, "truncated", match->truncated);
    push_buf(L, &match->text);
    lua_setfield(L, -2, "text");
    push_buf(L, &match->before);
    lua_setfield(L, -2, "before");
    push_captures(L, match);
    lua_setfield(L, -2, "captures");
}

static int console_expect(lua_State *L) {
    static const char *const known[] = {"timeout_s", "fail", NULL};
    struct jf_console *console = jf_bind_check_console(L);
    if (!lua_istable(L, 2))
        luaL_checktype(L, 2, LUA_TSTRING);
    jf_opt_known(L, 3, known);
    lua_settop(L, 3);
    jf_deadline deadline = jf_opt_deadline(L, 3, 30);
    if (lua_istable(L, 3))
        lua_getfield(L, 3, "fail");
    else
        lua_pushnil(L); // con patterns options fail

    size_t normal_count = count_patterns(L, 2);
    size_t fail_count = count_patterns(L, 4);
    luaL_argcheck(L, normal_count + fail_count > 0, 2, "no pattern given");
    luaL_argcheck(L, normal_count + fail_count < 1000, 2, "too many patterns");
    struct jf_pattern *patterns =
        lua_newuserdatauv(L, (normal_count + fail_count) * sizeof *patterns, 0);
    read_patterns(L, 2, patterns, normal_count);
    read_patterns(L, 4, patterns + normal_count, fail_count);

    struct jf_match *match = push_match(L);
    struct jf_expectation expectation = {patterns, normal_count + fail_count, fail_count};
    struct jf_error err;
    enum jf_code code =
        jf_console_expect(console, &expectation, deadline, jf_bind_context(L)->cancel, match, &err);
    if (code == JF_PROTOCOL)
        return luaL_error(L, "%s", err.message); // a faulty pattern is misuse
    if (code != JF_OK)
        return jf_bind_fail(L, &err);
    push_match_table(L, match, normal_count);
    return 1;
}

static int console_send(lua_State *L) {
    static const char *const known[] = {"timeout_s", "cps", NULL};
    struct jf_console *console = jf_bind_check_console(L);
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    jf_opt_known(L, 3, known);
    double cps = jf_opt_number(L, 3, "cps", 0);
    luaL_argcheck(L, cps >= 0, 3, "cps must not be negative");
    double pace_s = cps > 0 ? (double)len / cps : 0;
    jf_deadline deadline = jf_opt_deadline(L, 3, SEND_TIMEOUT_S + pace_s);
    struct jf_error err;
    return jf_bind_result(
        L, jf_console_send(console, bytes, len, cps, deadline, jf_bind_context(L)->cancel, &err),
        &err);
}

static int console_send_break(lua_State *L) {
    struct jf_console *console = jf_bind_check_console(L);
    double ms = luaL_optnumber(L, 2, 250);
    luaL_argcheck(L, ms > 0 && ms <= 60000, 2, "milliseconds, at most 60000");
    struct jf_error err;
    return jf_bind_result(
        L, jf_console_send_break(console, ms / 1000, jf_bind_context(L)->cancel, &err), &err);
}

static int console_discard(lua_State *L) {
    jf_console_discard(jf_bind_check_console(L), jf_bind_context(L)->cancel);
    return 0;
}

static int console_tail(lua_State *L) {
    struct jf_console *console = jf_bind_check_console(L);
    lua_Integer max = luaL_optinteger(L, 2, 2000);
    luaL_argcheck(L, max >= 0, 2, "must not be negative");
    struct jf_buf *text = push_text(L);
    if (!jf_console_tail(console, (size_t)max, text))
        return luaL_error(L, "not enough memory");
    push_buf(L, text);
    return 1;
}

static int console_pending(lua_State *L) {
    struct jf_console *console = jf_bind_check_console(L);
    struct jf_buf *text = push_text(L);
    if (!jf_console_pending(console, text))
        return luaL_error(L, "not enough memory");
    push_buf(L, text);
    return 1;
}

static int console_transcript(lua_State *L) {
    struct jf_console *console = jf_bind_check_console(L);
    struct jf_error err;
    const char *path = luaL_optstring(L, 2, NULL);
    return jf_bind_result(L, jf_console_transcript(console, path, &err), &err);
}

static int console_echo(lua_State *L) {
    struct jf_console *console = jf_bind_check_console(L);
    luaL_checktype(L, 2, LUA_TBOOLEAN);
    jf_console_echo(console, lua_toboolean(L, 2) ? STDERR_FILENO : -1);
    return 0;
}

static int console_stats(lua_State *L) {
    struct jf_console_stats stats = jf_console_stats(jf_bind_check_console(L));
    lua_createtable(L, 0, 4);
    jf_set_integer(L, "received_bytes", (lua_Integer)stats.received_bytes);
    jf_set_integer(L, "dropped_bytes", (lua_Integer)stats.dropped_bytes);
    jf_set_integer(L, "sent_bytes", (lua_Integer)stats.sent_bytes);
    if (stats.transcript.code != JF_OK)
        jf_set_string(L, "transcript_error", stats.transcript.message);
    return 1;
}

static const luaL_Reg functions[] = {{"open", console_open}, {"find", console_find}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"expect", console_expect},
    {"send", console_send},
    {"send_break", console_send_break},
    {"set_modem", jf_bind_console_set_modem},
    {"modem", jf_bind_console_modem},
    {"set_line", jf_bind_console_set_line},
    {"discard", console_discard},
    {"tail", console_tail},
    {"pending", console_pending},
    {"transcript", console_transcript},
    {"echo", console_echo},
    {"attach", jf_bind_console_attach},
    {"stats", console_stats},
    {"close", console_close},
    {NULL, NULL},
};

static const luaL_Reg meta[] = {{"__close", console_close}, {"__gc", console_close}, {NULL, NULL}};
static const luaL_Reg match_meta[] = {{"__close", match_free}, {"__gc", match_free}, {NULL, NULL}};
static const luaL_Reg text_meta[] = {{"__close", text_free}, {"__gc", text_free}, {NULL, NULL}};
static const luaL_Reg no_methods[] = {{NULL, NULL}};

int luaopen_jflash_console(lua_State *L) {
    jf_bind_class(L, CONSOLE, methods, meta);
    jf_bind_class(L, MATCH, no_methods, match_meta);
    jf_bind_class(L, TEXT, no_methods, text_meta);
    jf_bind_add_live(L);
    luaL_newlib(L, functions);
    return 1;
}
