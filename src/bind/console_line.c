// SPDX-License-Identifier: Apache-2.0
//
// The settings of a console's line, and its modem lines.
#include <string.h>

#include "bind/bind.h"
#include "bind/console.h"

// An option that is one of the words in `words` (NULL-terminated).
static int opt_word(lua_State *L, int arg, const char *key, const char *const *words,
                    int fallback) {
    const char *word = jf_opt_string(L, arg, key, words[fallback], NULL);
    for (int i = 0; words[i]; i++) {
        if (strcmp(word, words[i]) == 0)
            return i;
    }
    return luaL_error(L, "option '%s': unknown value '%s'", key, word);
}

lua_Integer jf_bind_opt_range(lua_State *L, int arg, const char *key, lua_Integer fallback,
                              lua_Integer least, lua_Integer most) {
    lua_Integer value = jf_opt_integer(L, arg, key, fallback);
    if (value < least || value > most)
        luaL_error(L, "option '%s': %I is outside %I to %I", key, value, least, most);
    return value;
}

static bool is_given(lua_State *L, int arg, const char *key) {
    if (!lua_istable(L, arg))
        return false;
    bool given = lua_getfield(L, arg, key) != LUA_TNIL;
    lua_pop(L, 1);
    return given;
}

struct jf_line jf_bind_opt_line(lua_State *L, int arg, const struct jf_line *usual) {
    static const char *const parities[] = {"none", "even", "odd", "mark", "space", NULL};
    static const char *const flows[] = {"none", "rtscts", "xonxoff", "dtrdsr", NULL};
    static const char *const signals[] = {"leave", "on", "off", "flow_control", NULL};
    static const char *const inputs[] = {"ignore", "flow_control", NULL};
    static const char *const xon_xoffs[] = {"disabled", "in", "out", "inout", NULL};
    struct jf_line base = *usual;
    int flow = opt_word(L, arg, "flow", flows, JF_FLOW_NONE);
    if (is_given(L, arg, "flow"))
        jf_line_set_flow(&base, (enum jf_flow)flow);
    return (struct jf_line){
        .baudrate = (int)jf_bind_opt_range(L, arg, "baudrate", base.baudrate, 50, 100000000),
        .bytesize = (int)jf_bind_opt_range(L, arg, "bytesize", base.bytesize, 5, 8),
        .parity = (enum jf_parity)opt_word(L, arg, "parity", parities, (int)base.parity),
        .stopbits = (int)jf_bind_opt_range(L, arg, "stopbits", base.stopbits, 1, 2),
        .dtr = (enum jf_signal)opt_word(L, arg, "dtr", signals, (int)base.dtr),
        .rts = (enum jf_signal)opt_word(L, arg, "rts", signals, (int)base.rts),
        .cts = opt_word(L, arg, "cts", inputs, base.cts) != 0,
        .dsr = opt_word(L, arg, "dsr", inputs, base.dsr) != 0,
        .xon_xoff = (enum jf_xon_xoff)opt_word(L, arg, "xon_xoff", xon_xoffs, (int)base.xon_xoff),
        .hang_up = jf_opt_boolean(L, arg, "hupcl", base.hang_up),
    };
}

// Adds a line to *mask when the table at 2 has it, and to *values when it is true there.
static void read_signal(lua_State *L, const char *key, unsigned bit, unsigned *mask,
                        unsigned *values) {
    if (lua_getfield(L, 2, key) != LUA_TNIL) {
        if (!lua_isboolean(L, -1))
            luaL_error(L, "option '%s': boolean expected, got %s", key, luaL_typename(L, -1));
        *mask |= bit;
        *values |= lua_toboolean(L, -1) ? bit : 0;
    }
    lua_pop(L, 1);
}

int jf_bind_console_set_modem(lua_State *L) {
    static const char *const known[] = {"dtr", "rts", NULL};
    struct jf_console *console = jf_bind_check_console(L);
    unsigned mask = 0;
    unsigned values = 0;
    luaL_checktype(L, 2, LUA_TTABLE);
    jf_opt_known(L, 2, known);
    read_signal(L, "dtr", JF_MODEM_DTR, &mask, &values);
    read_signal(L, "rts", JF_MODEM_RTS, &mask, &values);
    struct jf_error err;
    return jf_bind_result(
        L, jf_console_set_modem(console, mask, values, jf_bind_context(L)->cancel, &err), &err);
}

int jf_bind_console_modem(lua_State *L) {
    static const struct {
        const char *name;
        unsigned line;
    } lines[] = {
        {"dtr", JF_MODEM_DTR}, {"rts", JF_MODEM_RTS}, {"cts", JF_MODEM_CTS},
        {"dsr", JF_MODEM_DSR}, {"dcd", JF_MODEM_DCD}, {"ri", JF_MODEM_RI},
    };
    struct jf_console *console = jf_bind_check_console(L);
    struct jf_modem_state state = {0};
    struct jf_error err;
    if (jf_console_get_modem(console, &state, jf_bind_context(L)->cancel, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_createtable(L, 0, sizeof lines / sizeof *lines);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (state.known & lines[i].line)
            jf_set_boolean(L, lines[i].name, (state.raised & lines[i].line) != 0);
    }
    return 1;
}

int jf_bind_console_set_line(lua_State *L) {
    static const char *const known[] = {"baudrate", "bytesize", "parity",   "stopbits", "flow",
                                        "cts",      "dsr",      "xon_xoff", NULL};
    struct jf_console *console = jf_bind_check_console(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    jf_opt_known(L, 2, known);
    struct jf_line now = jf_console_line(console);
    struct jf_line line = jf_bind_opt_line(L, 2, &now);
    struct jf_error err;
    return jf_bind_result(L, jf_console_set_line(console, &line, jf_bind_context(L)->cancel, &err),
                          &err);
}
