// SPDX-License-Identifier: Apache-2.0
//
// How a userdata offers bytes that are produced while they are read, without its
// module and the reader's knowing each other: its metatable has the field
// JF_STREAM_FIELD, a light userdata that points to a struct jf_stream_class.
//
//     static const struct jf_stream_class stream_class = {.take = take_stream};
//     lua_pushlightuserdata(L, (void *)&stream_class);
//     lua_setfield(L, metatable, JF_STREAM_FIELD);
#ifndef JF_BIND_STREAM_H
#define JF_BIND_STREAM_H

#include <lua.h>

#include "base/queue.h"

#define JF_STREAM_FIELD "__jf_stream"

// The reader's share of a producer: the queue lives at least until `release`,
// whatever becomes of the userdata.
struct jf_stream {
    struct jf_queue *queue;
    void (*release)(void *owner);
    void *owner;
};

struct jf_stream_class {
    // Fills *ret from the userdata at `index`; raises when it is closed or has
    // been taken before (a queue has one reader).
    void (*take)(lua_State *L, int index, struct jf_stream *ret);
};

// Takes the stream of the value at `index` into *ret, which is untouched when it
// raises: that offers none, or it cannot be taken.
void jf_stream_take(lua_State *L, int index, struct jf_stream *ret);

// Accepts one that was never taken (all zero) or was released.
void jf_stream_release(struct jf_stream *stream);

#endif
