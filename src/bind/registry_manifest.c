// SPDX-License-Identifier: Apache-2.0
//
// jflash.registry: a manifest as a table.
#include "bind/bind.h"
#include "bind/registry.h"
#include "registry/manifest.h"

#define MANIFEST "jflash.registry.manifest"

static int manifest_free(lua_State *L) {
    jf_manifest_free(lua_touserdata(L, 1));
    return 0;
}

// Sets the field "annotations", always a table.
static void set_annotations(lua_State *L, json_t *annotations) {
    lua_newtable(L);
    for (void *at = json_object_iter(annotations); at;
         at = json_object_iter_next(annotations, at)) {
        const json_t *value = json_object_iter_value(at);
        lua_pushstring(L, json_object_iter_key(at));
        lua_pushlstring(L, json_string_value(value), json_string_length(value));
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "annotations");
}

static void push_descriptor(lua_State *L, const struct jf_descriptor *descriptor) {
    lua_createtable(L, 0, 8);
    jf_set_string(L, "media_type", descriptor->media_type);
    jf_set_string(L, "digest", descriptor->digest);
    jf_set_integer(L, "size", (lua_Integer)descriptor->size);
    jf_set_string(L, "artifact_type", descriptor->artifact_type);
    jf_set_string(L, "os", descriptor->os);
    jf_set_string(L, "architecture", descriptor->architecture);
    jf_set_string(L, "variant", descriptor->variant);
    set_annotations(L, descriptor->annotations);
}

static void push_manifest(lua_State *L, const struct jf_manifest *manifest) {
    lua_createtable(L, 0, 7);
    jf_set_string(L, "media_type", manifest->media_type);
    jf_set_string(L, "artifact_type", manifest->artifact_type);
    set_annotations(L, manifest->annotations);
    if (manifest->has_config) {
        push_descriptor(L, &manifest->config);
        lua_setfield(L, -2, "config");
    }
    if (manifest->has_subject) {
        push_descriptor(L, &manifest->subject);
        lua_setfield(L, -2, "subject");
    }
    lua_createtable(L, (int)manifest->count, 0);
    for (size_t i = 0; i < manifest->count; i++) {
        push_descriptor(L, &manifest->items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, manifest->is_index ? "manifests" : "layers");
}

int jf_registry_push_manifest(lua_State *L) {
    static const char *const options[] = {"name", "content_type", NULL};
    size_t len;
    struct jf_error err;
    const char *text = luaL_checklstring(L, 1, &len);
    jf_opt_known(L, 2, options);
    const char *name = jf_opt_string(L, 2, "name", "manifest", NULL);
    const char *type = jf_opt_string(L, 2, "content_type", NULL, NULL);
    struct jf_manifest *manifest = lua_newuserdatauv(L, sizeof *manifest, 0);
    *manifest = (struct jf_manifest){0};
    luaL_setmetatable(L, MANIFEST);
    lua_toclose(L, -1);
    if (jf_manifest_parse(text, len, type, name, manifest, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    push_manifest(L, manifest);
    return 1;
}

void jf_registry_manifest_class(lua_State *L) {
    static const luaL_Reg methods[] = {{NULL, NULL}};
    static const luaL_Reg meta[] = {
        {"__close", manifest_free}, {"__gc", manifest_free}, {NULL, NULL}};
    jf_bind_class(L, MANIFEST, methods, meta);
}
