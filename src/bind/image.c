// SPDX-License-Identifier: Apache-2.0
//
// jflash.image: an image file or stdin: its format, its proof, its bytes.
#include "bind/bind.h"

#include <string.h>

#include "bind/growing.h"
#include "bind/image.h"
#include "image/probe.h"

#define IMAGE "jflash.image"

struct image {
    struct jf_source *source; // NULL: closed
    enum jf_format format;    // JF_FORMAT_AUTO: not told yet
    unsigned threads;
    uint64_t memlimit_bytes;
    char delivered_sha256[JF_SHA256_HEX_SIZE];
    struct jf_pipeline *proof; // NULL: not started
};

static struct image *check_image(lua_State *L) {
    struct image *image = luaL_checkudata(L, 1, IMAGE);
    if (!image->source)
        luaL_error(L, "the image is closed");
    return image;
}

static void opt_sha256(lua_State *L, int arg, const char *key, char *ret_hex) {
    size_t len;
    const char *hex = jf_opt_string(L, arg, key, NULL, &len);
    if (!hex)
        return;
    if (len != JF_SHA256_HEX_SIZE - 1 || strspn(hex, "0123456789abcdef") != len)
        luaL_error(L, "option '%s': 64 lower-case hexadecimal digits expected", key);
    memcpy(ret_hex, hex, len + 1);
}

static enum jf_format opt_format(lua_State *L, int arg) {
    const char *name = jf_opt_string(L, arg, "format", NULL, NULL);
    if (!name)
        return JF_FORMAT_AUTO;
    enum jf_format format = jf_format_of_name(name);
    if (!jf_format_accepted(format))
        luaL_error(L, "option 'format': unknown format '%s'", name);
    return format;
}

static lua_Integer opt_range(lua_State *L, int arg, const char *key, lua_Integer fallback,
                             lua_Integer lowest, lua_Integer highest) {
    lua_Integer value = jf_opt_integer(L, arg, key, fallback);
    if (value < lowest || value > highest)
        luaL_error(L, "option '%s': %I is out of range", key, (LUAI_UACINT)value);
    return value;
}

static enum jf_code open_source(lua_State *L, struct jf_source **ret_source, struct jf_error *err) {
    const char *file = jf_opt_string(L, 1, "file", NULL, NULL);
    if (file)
        return jf_source_open_file(file, ret_source, err);
    if (lua_getfield(L, 1, "download") != LUA_TNIL) {
        struct jf_growing growing;
        jf_growing_borrow(L, -1, &growing);
        const char *name = jf_opt_string(L, 1, "name", "image", NULL);
        return jf_source_open_growing(&growing, name, ret_source, err);
    }
    lua_pop(L, 1);
    lua_Integer fd = opt_range(L, 1, "fd", -1, 0, INT32_MAX);
    const char *name = jf_opt_string(L, 1, "name", fd == 0 ? "stdin" : "image", NULL);
    return jf_source_open_fd((int)fd, name, ret_source, err);
}

static struct image *new_image(lua_State *L) {
    struct image *image = lua_newuserdatauv(L, sizeof *image, 0);
    memset(image, 0, sizeof *image);
    luaL_setmetatable(L, IMAGE);
    return image;
}

// A regular file's format is known at once; a stream's would have to be waited for.
static enum jf_code tell_format(struct image *image, struct jf_error *err) {
    if (image->format != JF_FORMAT_AUTO || !jf_source_regular(image->source))
        return JF_OK;
    unsigned char head[JF_FORMAT_HEAD_SIZE];
    size_t len;
    struct jf_source_wait wait = {.deadline = JF_NEVER};
    enum jf_code code = jf_source_peek(image->source, head, sizeof head, &wait, &len, err);
    if (code == JF_OK)
        image->format = jf_format_detect(head, len);
    return code;
}

static int image_open(lua_State *L) {
    static const char *const known[] = {
        "file",           "fd", "download", "name", "format", "delivered_sha256", "threads",
        "memlimit_bytes", NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    jf_opt_known(L, 1, known);
    struct image *image = new_image(L);
    image->format = opt_format(L, 1);
    image->threads = (unsigned)opt_range(L, 1, "threads", 0, 0, 1024);
    image->memlimit_bytes = (uint64_t)opt_range(L, 1, "memlimit_bytes", 0, 0, LUA_MAXINTEGER);
    opt_sha256(L, 1, "delivered_sha256", image->delivered_sha256);
    struct jf_error err;
    enum jf_code code = open_source(L, &image->source, &err);
    if (code == JF_OK)
        code = tell_format(image, &err);
    if (code != JF_OK)
        return jf_bind_fail(L, &err);
    lua_settop(L, 2);
    return 1;
}

static int image_name(lua_State *L) {
    lua_pushstring(L, jf_source_name(check_image(L)->source));
    return 1;
}

static int image_format(lua_State *L) {
    enum jf_format format = check_image(L)->format;
    if (format == JF_FORMAT_AUTO)
        return 0;
    lua_pushstring(L, jf_format_name(format));
    return 1;
}

static int image_delivered_bytes(lua_State *L) {
    int64_t size = jf_source_size(check_image(L)->source);
    if (size < 0)
        return 0;
    lua_pushinteger(L, size);
    return 1;
}

static int image_probe(lua_State *L) {
    static const char *const known[] = {"timeout_s", NULL};
    struct image *image = check_image(L);
    jf_opt_known(L, 2, known);
    struct jf_probe_options options = {image->format, image->memlimit_bytes};
    struct jf_probe probe;
    struct jf_error err;
    enum jf_code code = jf_probe(image->source, &options, jf_opt_deadline(L, 2, 60),
                                 jf_bind_context(L)->cancel, &probe, &err);
    image->format = probe.format;
    if (code != JF_OK)
        return jf_bind_fail_hint(L, &err, probe.hint);
    lua_createtable(L, 0, 3);
    jf_set_string(L, "format", jf_format_name(probe.format));
    jf_set_string(L, "inner", jf_format_name(probe.inner));
    jf_set_integer(L, "decoded_head_bytes", (lua_Integer)probe.decoded_head_bytes);
    return 1;
}

static void fill_options(const struct image *image, struct jf_pipeline_options *options) {
    options->format = image->format;
    options->threads = image->threads;
    options->memlimit_bytes = image->memlimit_bytes;
    memcpy(options->delivered_sha256, image->delivered_sha256, sizeof options->delivered_sha256);
}

static int image_prove(lua_State *L) {
    static const char *const known[] = {"digest", NULL};
    struct image *image = check_image(L);
    jf_opt_known(L, 2, known);
    if (image->proof)
        return luaL_error(L, "the proof was started already");
    struct jf_error err;
    if (!jf_source_repeats(image->source)) {
        jf_fail(&err, JF_UNSUPPORTED,
                "%s: can be read only once, so that it is proven while "
                "it is served",
                jf_source_name(image->source));
        return jf_bind_fail(L, &err);
    }
    struct jf_pipeline_options options = {.sink = JF_SINK_NONE};
    options.skip_digest = !jf_opt_boolean(L, 2, "digest", true);
    fill_options(image, &options);
    enum jf_code code = jf_pipeline_start(image->source, &options, &image->proof, &err);
    return jf_bind_result(L, code, &err);
}

static struct jf_pipeline *check_proof(lua_State *L) {
    struct image *image = check_image(L);
    if (!image->proof)
        luaL_error(L, "the proof was not started");
    return image->proof;
}

static int image_wait(lua_State *L) {
    return jf_bind_pipeline_wait(L, check_proof(L));
}

static int image_progress(lua_State *L) {
    return jf_bind_pipeline_progress(L, check_proof(L));
}

static int image_unchanged(lua_State *L) {
    struct jf_error err;
    return jf_bind_result(L, jf_source_unchanged(check_image(L)->source, &err), &err);
}

static int image_stream(lua_State *L) {
    static const char *const known[] = {"decode", "capacity_bytes", "check", NULL};
    struct image *image = check_image(L);
    jf_opt_known(L, 2, known);
    struct jf_pipeline_options options = {.sink = JF_SINK_DECODED};
    bool decode = jf_opt_boolean(L, 2, "decode", true);
    // What cannot be proven first is decoded while it is served as it is.
    bool check = jf_opt_boolean(L, 2, "check", !jf_source_repeats(image->source));
    options.capacity_bytes = (size_t)opt_range(L, 2, "capacity_bytes", 4 << 20, 1, 1 << 30);
    if (!decode) {
        options.sink = JF_SINK_DELIVERED;
        options.skip_decode = !check;
    }
    fill_options(image, &options);
    return jf_bind_push_stream(L, image->source, &options);
}

static int image_close(lua_State *L) {
    struct image *image = luaL_checkudata(L, 1, IMAGE);
    jf_pipeline_unref(image->proof);
    image->proof = NULL;
    jf_source_unref(image->source);
    image->source = NULL;
    return 0;
}

static int image_sha256(lua_State *L) {
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    struct jf_digest *digest = jf_digest_new();
    if (!digest)
        return luaL_error(L, "not enough memory");
    char hex[JF_SHA256_HEX_SIZE];
    jf_digest_update(digest, bytes, len);
    jf_digest_hex(digest, hex);
    jf_digest_free(digest);
    lua_pushstring(L, hex);
    return 1;
}

static int image_sha256_file(lua_State *L) {
    static const char *const known[] = {"timeout_s", NULL};
    const char *path = luaL_checkstring(L, 1);
    jf_opt_known(L, 2, known);
    struct image *image = new_image(L);
    lua_toclose(L, -1);
    image->format = JF_FORMAT_RAW;
    struct jf_pipeline_options options = {.format = JF_FORMAT_RAW};
    struct jf_error err;
    if (jf_source_open_file(path, &image->source, &err) != JF_OK ||
        jf_pipeline_start(image->source, &options, &image->proof, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    if (jf_pipeline_wait(image->proof, jf_opt_deadline(L, 2, 1e9), jf_bind_context(L)->cancel,
                         &err) != JF_OK)
        return jf_bind_fail(L, &err);
    struct jf_pipeline_result result;
    if (jf_pipeline_result(image->proof, &result, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushstring(L, result.delivered_sha256);
    lua_pushinteger(L, (lua_Integer)result.delivered_bytes);
    return 2;
}

static const luaL_Reg functions[] = {
    {"open", image_open},
    {"sha256", image_sha256},
    {"sha256_file", image_sha256_file},
    {NULL, NULL},
};

static const luaL_Reg image_methods[] = {
    {"name", image_name},
    {"format", image_format},
    {"delivered_bytes", image_delivered_bytes},
    {"probe", image_probe},
    {"prove", image_prove},
    {"wait", image_wait},
    {"progress", image_progress},
    {"unchanged", image_unchanged},
    {"stream", image_stream},
    {"close", image_close},
    {NULL, NULL},
};

static const luaL_Reg image_meta[] = {
    {"__close", image_close}, {"__gc", image_close}, {NULL, NULL}};

int luaopen_jflash_image(lua_State *L) {
    jf_bind_class(L, IMAGE, image_methods, image_meta);
    jf_bind_add_stream(L);
    luaL_newlib(L, functions);
    return 1;
}
