// SPDX-License-Identifier: Apache-2.0
//
// For the bindings that serve what an image stream produces.
#ifndef JF_BIND_IMAGE_H
#define JF_BIND_IMAGE_H

#include <lua.h>

#include "image/pipeline.h"

// The pipeline behind the stream (what img:stream() returns) at `arg`, with a
// reference that the caller drops by jf_pipeline_unref. Raises when the argument
// is no stream, is closed, or was taken before. From now on stream:close() only
// drops Lua's own reference: the taker stops the pipeline (jf_pipeline_stop, or
// by dropping the last reference); stream:progress() and stream:wait() go on
// working.
struct jf_pipeline *jf_image_take_stream(lua_State *L, int arg);

#endif
