// SPDX-License-Identifier: Apache-2.0
//
// Memory of a binding that survives a Lua error: it is released when the C
// function returns or is left by an error.
#ifndef JF_BIND_SCRATCH_H
#define JF_BIND_SCRATCH_H

#include <lua.h>

#include "base/buf.h"

// Pushes an empty buffer that is freed with the calling function's frame.
struct jf_buf *jf_scratch_buf(lua_State *L);

// Pushes the buffer's content as a string.
void jf_scratch_push(lua_State *L, const struct jf_buf *buf);

// The string argument `arg`; raises when it holds a NUL, which would cut it.
const char *jf_check_text(lua_State *L, int arg);

#endif
