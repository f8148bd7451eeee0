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

// As jf_bind_fail, with the name of the errno ("ENOENT") as a fourth value when
// there is one.
int jf_sys_fail(lua_State *L, const struct jf_error *err);

// Pushes true when `code` is JF_OK (returns 1), else as jf_sys_fail.
int jf_sys_result(lua_State *L, enum jf_code code, const struct jf_error *err);

// The signal at `arg`: a number, or a name with or without "SIG".
int jf_sys_check_signal(lua_State *L, int arg);

#endif
