// SPDX-License-Identifier: Apache-2.0
//
// What the files of the module jflash.console share.
#ifndef JF_BIND_CONSOLE_H
#define JF_BIND_CONSOLE_H

#include <lua.h>

struct jf_console;

// The console at argument 1; raises when it is none, or closed.
struct jf_console *jf_bind_check_console(lua_State *L);

// Makes the class of live terminals; and the method of a console that opens one.
void jf_bind_add_live(lua_State *L);
int jf_bind_console_attach(lua_State *L);

#endif
