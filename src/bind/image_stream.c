// SPDX-License-Identifier: Apache-2.0
//
// jflash.image: the stream of an image's bytes, and what Lua is told of a pipeline.
#include "bind/image.h"

#include "base/wait.h"
#include "bind/bind.h"
#include "bind/stream.h"

#define STREAM "jflash.image.stream"

struct stream {
    struct jf_pipeline *pipeline; // NULL: closed
    bool taken;
    struct jf_event ready; // for stream:read
};

static struct stream *check_stream(lua_State *L, int arg) {
    struct stream *stream = luaL_checkudata(L, arg, STREAM);
    if (!stream->pipeline)
        luaL_error(L, "the stream is closed");
    return stream;
}

// What open, probe, prove, wait and a stream return on failure: as
// jf_bind_fail, and the hint when there is one.
int jf_bind_fail_hint(lua_State *L, const struct jf_error *err, const char *hint) {
    int count = jf_bind_fail(L, err);
    if (!hint[0])
        return count;
    lua_pushstring(L, hint);
    return count + 1;
}

static void set_digest(lua_State *L, const char *key, const char *hex) {
    jf_set_string(L, key, hex[0] ? hex : NULL);
}

static int push_result(lua_State *L, const struct jf_pipeline *pipeline) {
    struct jf_pipeline_result result;
    struct jf_error err;
    if (jf_pipeline_result(pipeline, &result, &err) != JF_OK)
        return jf_bind_fail_hint(L, &err, result.hint);
    lua_createtable(L, 0, 6);
    set_digest(L, "delivered_sha256", result.delivered_sha256);
    jf_set_integer(L, "delivered_bytes", (lua_Integer)result.delivered_bytes);
    set_digest(L, "decoded_sha256", result.decoded_sha256);
    if (result.decoded_bytes)
        jf_set_integer(L, "decoded_bytes", (lua_Integer)result.decoded_bytes);
    jf_set_string(L, "format", jf_format_name(result.format));
    jf_set_number(L, "elapsed_s", result.elapsed_s);
    return 1;
}

int jf_bind_pipeline_wait(lua_State *L, struct jf_pipeline *pipeline) {
    static const char *const known[] = {"timeout_s", NULL};
    jf_opt_known(L, 2, known);
    struct jf_error err;
    jf_deadline deadline = jf_opt_deadline(L, 2, 1e9);
    const struct jf_cancel *cancel = jf_bind_context(L)->cancel;
    if (jf_pipeline_wait(pipeline, deadline, cancel, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return push_result(L, pipeline);
}

int jf_bind_pipeline_progress(lua_State *L, const struct jf_pipeline *pipeline) {
    struct jf_pipeline_progress progress;
    jf_pipeline_progress(pipeline, &progress);
    lua_createtable(L, 0, 4);
    jf_set_integer(L, "delivered_bytes", (lua_Integer)progress.delivered_bytes);
    jf_set_integer(L, "decoded_bytes", (lua_Integer)progress.decoded_bytes);
    jf_set_boolean(L, "done", progress.done);
    jf_set_boolean(L, "failed", progress.failed);
    return 1;
}

static void raise_event(void *context) {
    jf_event_raise(context);
}

int jf_bind_push_stream(lua_State *L, struct jf_source *source,
                        const struct jf_pipeline_options *options) {
    struct stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    *stream = (struct stream){.ready = {.fd = -1}};
    luaL_setmetatable(L, STREAM);
    struct jf_error err;
    if (jf_event_open(&stream->ready, &err) != JF_OK ||
        jf_pipeline_start(source, options, &stream->pipeline, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    jf_queue_on_ready(jf_pipeline_queue(stream->pipeline), raise_event, &stream->ready);
    return 1;
}

static void release_pipeline(void *owner) {
    jf_pipeline_unref(owner);
}

// For who serves the stream (bind/stream.h). From now on stream:close() only drops
// Lua's own reference; stream:progress() and stream:wait() go on working.
static void take_stream(lua_State *L, int index, struct jf_stream *ret) {
    struct stream *stream = check_stream(L, index);
    if (stream->taken)
        luaL_error(L, "the stream is served already");
    stream->taken = true;
    jf_queue_on_ready(jf_pipeline_queue(stream->pipeline), NULL, NULL);
    *ret = (struct jf_stream){
        .queue = jf_pipeline_queue(stream->pipeline),
        .release = release_pipeline,
        .owner = jf_pipeline_ref(stream->pipeline),
    };
}

static const struct jf_stream_class stream_class = {.take = take_stream};

static int stream_wait(lua_State *L) {
    return jf_bind_pipeline_wait(L, check_stream(L, 1)->pipeline);
}

static int stream_progress(lua_State *L) {
    return jf_bind_pipeline_progress(L, check_stream(L, 1)->pipeline);
}

static int stream_size(lua_State *L) {
    int64_t size = jf_pipeline_sink_size(check_stream(L, 1)->pipeline);
    if (size < 0)
        return 0;
    lua_pushinteger(L, size);
    return 1;
}

// Waits for up to `len` bytes; *ret_len is 0 with JF_OK at the end.
static enum jf_code read_queue(lua_State *L, struct stream *stream, char *bytes, size_t len,
                               jf_deadline deadline, size_t *ret_len, struct jf_error *err) {
    const struct jf_cancel *cancel = jf_bind_context(L)->cancel;
    struct jf_queue *queue = jf_pipeline_queue(stream->pipeline);
    for (;;) {
        jf_event_lower(&stream->ready);
        enum jf_code code = jf_queue_read(queue, bytes, len, false, ret_len, err);
        if (code == JF_CLOSED)
            return JF_OK;
        if (code != JF_OK || *ret_len)
            return code;
        code = jf_event_wait(&stream->ready, deadline, cancel, err);
        if (code != JF_OK)
            return code;
    }
}

static int stream_read(lua_State *L) {
    static const char *const known[] = {"timeout_s", NULL};
    struct stream *stream = check_stream(L, 1);
    lua_Integer len = luaL_checkinteger(L, 2);
    luaL_argcheck(L, len > 0 && len <= 1 << 30, 2, "out of range");
    luaL_argcheck(L, !stream->taken, 1, "the stream is served already");
    jf_opt_known(L, 3, known);
    jf_deadline deadline = jf_opt_deadline(L, 3, 60);
    luaL_Buffer buffer;
    char *bytes = luaL_buffinitsize(L, &buffer, (size_t)len);
    size_t got = 0;
    struct jf_error err;
    enum jf_code code = read_queue(L, stream, bytes, (size_t)len, deadline, &got, &err);
    luaL_pushresultsize(&buffer, got);
    if (code != JF_OK)
        return jf_bind_fail(L, &err);
    if (got == 0)
        lua_pushnil(L);
    return 1;
}

static int stream_close(lua_State *L) {
    struct stream *stream = luaL_checkudata(L, 1, STREAM);
    if (stream->pipeline && !stream->taken)
        jf_queue_on_ready(jf_pipeline_queue(stream->pipeline), NULL, NULL);
    jf_pipeline_unref(stream->pipeline);
    stream->pipeline = NULL;
    jf_event_close(&stream->ready);
    return 0;
}

static const luaL_Reg stream_methods[] = {
    {"read", stream_read},       {"wait", stream_wait},   {"progress", stream_progress},
    {"size_bytes", stream_size}, {"close", stream_close}, {NULL, NULL},
};

static const luaL_Reg stream_meta[] = {
    {"__close", stream_close}, {"__gc", stream_close}, {NULL, NULL}};

void jf_bind_add_stream(lua_State *L) {
    jf_bind_class(L, STREAM, stream_methods, stream_meta);
    luaL_getmetatable(L, STREAM);
    lua_pushlightuserdata(L, (void *)&stream_class);
    lua_setfield(L, -2, JF_STREAM_FIELD);
    lua_pop(L, 1);
}
