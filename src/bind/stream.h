// SPDX-License-Identifier: Apache-2.0
//
// How a userdata offers bytes that are produced while they are read, without its
// module and the reader's knowing each other: its metatable has the field
// `__jf_stream` with the value true, and its first member is a
// struct jf_stream_source. Who reads keeps the userdata alive (a user value) for
// as long as it holds the queue.
#ifndef JF_BIND_STREAM_H
#define JF_BIND_STREAM_H

#include <lua.h>

#include "base/queue.h"

#define JF_STREAM_FIELD "__jf_stream"

struct jf_stream_source {
    struct jf_queue *queue; // NULL in a closed object
};

// The queue of the userdata at `index`; raises when it offers none or is closed.
struct jf_queue *jf_stream_check(lua_State *L, int index);

#endif
