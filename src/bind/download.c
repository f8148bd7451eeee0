// SPDX-License-Identifier: Apache-2.0
//
// jflash.download: a URL into a file, which can be read while it grows.
#include "bind/bind.h"

#include <string.h>

#include "bind/download.h"
#include "bind/growing.h"
#include "bind/modules.h"
#include "net/download.h"

#define DOWNLOAD "jflash.download"

static struct jf_download *check_download(lua_State *L, int arg) {
    struct jf_download **box = luaL_checkudata(L, arg, DOWNLOAD);
    if (!*box)
        luaL_error(L, "the download is closed");
    return *box;
}

static double opt_seconds(lua_State *L, const char *key, double fallback, double least) {
    double seconds = jf_opt_number(L, 1, key, fallback);
    if (!(seconds >= least && seconds <= 86400))
        luaL_error(L, "option '%s': %f to a day of seconds expected", key, least);
    return seconds;
}

static lua_Integer opt_count(lua_State *L, const char *key, lua_Integer fallback) {
    lua_Integer count = jf_opt_integer(L, 1, key, fallback);
    if (count < 0)
        luaL_error(L, "option '%s': 0 or more expected", key);
    return count;
}

static const char *check_string(lua_State *L, const char *key) {
    const char *text = jf_opt_string(L, 1, key, NULL, NULL);
    if (!text)
        luaL_error(L, "option '%s' expected", key);
    return text;
}

static const char *const known[] = {
    "url",         "file",          "name",    "headers",           "bearer",
    "cacert",      "insecure",      "offset",  "user_agent",        "connect_timeout_s",
    "if_range",    "if_none_match", "retries", "if_modified_since", "stall_timeout_s",
    "limit_bytes", "backoff_s",     NULL};

static void read_options(lua_State *L, struct jf_download_options *ret) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    jf_opt_known(L, 1, known);
    *ret = (struct jf_download_options){
        .request =
            {
                .url = check_string(L, "url"),
                .name = check_string(L, "name"),
                .headers = jf_opt_headers(L, 1),
                .bearer = jf_opt_string(L, 1, "bearer", NULL, NULL),
                .cacert = jf_opt_string(L, 1, "cacert", NULL, NULL),
                .insecure = jf_opt_boolean(L, 1, "insecure", false),
                .user_agent = jf_opt_string(L, 1, "user_agent", "jflash", NULL),
                .connect_timeout_s = opt_seconds(L, "connect_timeout_s", 10, 0.1),
                .stall_timeout_s = opt_seconds(L, "stall_timeout_s", 30, 1),
                .offset = (uint64_t)opt_count(L, "offset", 0),
                .if_range = jf_opt_string(L, 1, "if_range", NULL, NULL),
                .if_none_match = jf_opt_string(L, 1, "if_none_match", NULL, NULL),
                .if_modified_since = jf_opt_string(L, 1, "if_modified_since", NULL, NULL),
            },
        .file = check_string(L, "file"),
        .limit_bytes = (uint64_t)opt_count(L, "limit_bytes", 0),
        .retries = (unsigned)opt_count(L, "retries", 3),
        .backoff_s = opt_seconds(L, "backoff_s", 1, 0),
    };
    if (ret->request.offset && !ret->request.if_range)
        luaL_error(L, "option 'offset': needs 'if_range', or the parts need not fit");
}

struct jf_download **jf_bind_push_download(lua_State *L) {
    luaL_requiref(L, DOWNLOAD, luaopen_jflash_download, 0); // for its metatable
    lua_pop(L, 1);
    struct jf_download **box = lua_newuserdatauv(L, sizeof(struct jf_download *), 0);
    *box = NULL;
    luaL_setmetatable(L, DOWNLOAD);
    return box;
}

static int download_start(lua_State *L) {
    struct jf_download_options options;
    struct jf_error err;
    read_options(L, &options);
    struct jf_download **box = jf_bind_push_download(L);
    if (jf_download_start(&options, box, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

static int download_progress(lua_State *L) {
    struct jf_download_progress progress;
    jf_download_progress(check_download(L, 1), &progress);
    lua_createtable(L, 0, 6);
    jf_set_integer(L, "bytes", (lua_Integer)progress.bytes);
    if (progress.total >= 0)
        jf_set_integer(L, "total", (lua_Integer)progress.total);
    jf_set_integer(L, "retries", progress.retries);
    jf_set_boolean(L, "answered", progress.answered);
    jf_set_boolean(L, "done", progress.done);
    jf_set_boolean(L, "failed", progress.failed);
    return 1;
}

static void set_answer(lua_State *L, const struct jf_http_answer *answer) {
    jf_set_integer(L, "status", answer->status);
    jf_set_string(L, "etag", answer->etag[0] ? answer->etag : NULL);
    jf_set_string(L, "last_modified", answer->last_modified[0] ? answer->last_modified : NULL);
    jf_set_string(L, "redirected_to", answer->redirected_to[0] ? answer->redirected_to : NULL);
}

static int download_answer(lua_State *L) {
    static const char *const options[] = {"timeout_s", NULL};
    struct jf_download *download = check_download(L, 1);
    struct jf_error err;
    jf_opt_known(L, 2, options);
    jf_deadline deadline = jf_opt_deadline(L, 2, 1e9);
    const struct jf_cancel *cancel = jf_bind_context(L)->cancel;
    if (jf_download_wait_answer(download, deadline, cancel, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    struct jf_download_progress progress;
    struct jf_download_result result;
    jf_download_progress(download, &progress);
    enum jf_code code = jf_download_result(download, &result, &err);
    if (!progress.answered)
        return jf_bind_result(L, code, &err);
    lua_createtable(L, 0, 5);
    set_answer(L, &result.answer);
    if (progress.total >= 0)
        jf_set_integer(L, "total", (lua_Integer)progress.total);
    return 1;
}

static int download_wait(lua_State *L) {
    static const char *const options[] = {"timeout_s", NULL};
    struct jf_download *download = check_download(L, 1);
    struct jf_error err;
    struct jf_download_result result;
    jf_opt_known(L, 2, options);
    jf_deadline deadline = jf_opt_deadline(L, 2, 1e9);
    const struct jf_cancel *cancel = jf_bind_context(L)->cancel;
    if (jf_download_wait(download, deadline, cancel, &err) != JF_OK ||
        jf_download_result(download, &result, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_createtable(L, 0, 6);
    set_answer(L, &result.answer);
    jf_set_integer(L, "bytes", (lua_Integer)result.bytes);
    jf_set_string(L, "sha256", result.sha256[0] ? result.sha256 : NULL);
    return 1;
}

static int download_failure(lua_State *L) {
    struct jf_download *download = check_download(L, 1);
    struct jf_download_progress progress;
    struct jf_download_result result;
    struct jf_error err;
    jf_download_progress(download, &progress);
    if (!progress.failed)
        return 0;
    enum jf_code code = jf_download_result(download, &result, &err);
    lua_createtable(L, 0, 5);
    jf_set_string(L, "message", err.message);
    jf_set_string(L, "code", jf_code_name(code));
    if (result.outcome.status)
        jf_set_integer(L, "status", result.outcome.status);
    jf_set_boolean(L, "passing", result.outcome.outlook == JF_HTTP_PASSING);
    jf_set_boolean(L, "changed", result.changed);
    return 1;
}

static int download_close(lua_State *L) {
    struct jf_download **box = luaL_checkudata(L, 1, DOWNLOAD);
    jf_download_unref(*box);
    *box = NULL;
    return 0;
}

// For who reads it while it grows (bind/growing.h).

static enum jf_code growing_read(void *owner, uint64_t offset, void *bytes, size_t len,
                                 jf_deadline deadline, const struct jf_cancel *cancel,
                                 size_t *ret_len, struct jf_error *err) {
    return jf_download_read(owner, offset, bytes, len, deadline, cancel, ret_len, err);
}

static int64_t growing_size(void *owner) {
    return jf_download_size(owner);
}

static void growing_ref(void *owner) {
    jf_download_ref(owner);
}

static void growing_unref(void *owner) {
    jf_download_unref(owner);
}

static void borrow(lua_State *L, int index, struct jf_growing *ret) {
    *ret = (struct jf_growing){
        .read = growing_read,
        .size = growing_size,
        .ref = growing_ref,
        .unref = growing_unref,
        .owner = check_download(L, index),
    };
}

static const struct jf_growing_class growing_class = {.borrow = borrow};

static const luaL_Reg functions[] = {{"start", download_start}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"progress", download_progress}, {"answer", download_answer}, {"wait", download_wait},
    {"failure", download_failure},   {"close", download_close},   {NULL, NULL},
};

static const luaL_Reg meta[] = {
    {"__close", download_close}, {"__gc", download_close}, {NULL, NULL}};

int luaopen_jflash_download(lua_State *L) {
    jf_bind_class(L, DOWNLOAD, methods, meta);
    luaL_getmetatable(L, DOWNLOAD);
    lua_pushlightuserdata(L, (void *)&growing_class);
    lua_setfield(L, -2, JF_GROWING_FIELD);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
