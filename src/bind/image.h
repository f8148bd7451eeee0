// SPDX-License-Identifier: Apache-2.0
//
// What the two files of jflash.image share.
#ifndef JF_BIND_IMAGE_H
#define JF_BIND_IMAGE_H

#include <lua.h>

#include "image/pipeline.h"

// As jf_bind_fail, and the hint behind it when there is one.
int jf_bind_fail_hint(lua_State *L, const struct jf_error *err, const char *hint);

// The methods wait and progress of what a pipeline is behind.
int jf_bind_pipeline_wait(lua_State *L, struct jf_pipeline *pipeline);
int jf_bind_pipeline_progress(lua_State *L, const struct jf_pipeline *pipeline);

// Starts a pipeline and pushes the stream of its bytes: what image:stream() returns.
int jf_bind_push_stream(lua_State *L, struct jf_source *source,
                        const struct jf_pipeline_options *options);

// Makes the class of streams known.
void jf_bind_add_stream(lua_State *L);

#endif
