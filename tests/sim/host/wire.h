// SPDX-License-Identifier: Apache-2.0
//
// The Lua module "wire" of the scripted board: descriptors, a pty, processes,
// sockets, and the fake kernel. See the table at the end of wire.c.
#ifndef SIM_WIRE_H
#define SIM_WIRE_H

#include <lua.h>

int sim_wire_open(lua_State *L);

// Pushes the function that makes a fake kernel (lua_kernel.c).
int sim_kernel_new(lua_State *L);

#endif
