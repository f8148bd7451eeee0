// SPDX-License-Identifier: Apache-2.0
//
// What the files of the module jflash.console share.
#ifndef JF_BIND_CONSOLE_H
#define JF_BIND_CONSOLE_H

#include <lua.h>

#include "console/console.h"

// The console at argument 1; raises when it is none, or closed.
struct jf_console *jf_bind_check_console(lua_State *L);

// Makes the class of live terminals; and the method of a console that opens one.
void jf_bind_add_live(lua_State *L);
int jf_bind_console_attach(lua_State *L);

// An integer option within bounds; raises when it is outside.
lua_Integer jf_bind_opt_range(lua_State *L, int arg, const char *key, lua_Integer fallback,
                              lua_Integer least, lua_Integer most);

// The options of a line; those that are absent are as in `usual`.
struct jf_line jf_bind_opt_line(lua_State *L, int arg, const struct jf_line *usual);

// Methods of a console.
int jf_bind_console_set_modem(lua_State *L);
int jf_bind_console_modem(lua_State *L);
int jf_bind_console_set_line(lua_State *L);

#endif
