// SPDX-License-Identifier: Apache-2.0
//
// How a userdata offers a file that still arrives, without its module and the
// reader's knowing each other (as bind/stream.h): its metatable has the field
// JF_GROWING_FIELD, a light userdata that points to a struct jf_growing_class.
#ifndef JF_BIND_GROWING_H
#define JF_BIND_GROWING_H

#include <lua.h>

#include "image/growing.h"

#define JF_GROWING_FIELD "__jf_growing"

struct jf_growing_class {
    // Fills *ret from the userdata at `index`, without a reference of its own; raises
    // when it is closed.
    void (*borrow)(lua_State *L, int index, struct jf_growing *ret);
};

// Raises when the value at `index` offers none.
void jf_growing_borrow(lua_State *L, int index, struct jf_growing *ret);

#endif
