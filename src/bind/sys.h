// SPDX-License-Identifier: Apache-2.0
//
// The parts of jflash.sys: each adds its functions to the table at the top of
// the stack and registers its classes.
#ifndef JF_BIND_SYS_H
#define JF_BIND_SYS_H

#include <lua.h>

#include "base/error.h"

void jf_sys_add_files(lua_State *L);
void jf_sys_add_processes(lua_State *L);
void jf_sys_add_sockets(lua_State *L);

// The signal at `arg`: a number, or a name with or without "SIG".
int jf_sys_check_signal(lua_State *L, int arg);

#endif
