// SPDX-License-Identifier: Apache-2.0
//
// jflash.registry: layers that are archives.
#include "bind/bind.h"
#include "bind/download.h"
#include "bind/growing.h"
#include "bind/registry.h"
#include "bind/scratch.h"
#include "registry/member.h"
#include "registry/unpack.h"

// What both take: the options' table is argument 1.
static struct jf_archive_options read_archive(lua_State *L) {
    lua_Integer limit = jf_opt_integer(L, 1, "limit_bytes", -1);
    const char *name = jf_opt_string(L, 1, "name", NULL, NULL);
    if (limit < 0)
        luaL_error(L, "option 'limit_bytes': 0 or more expected");
    if (!name)
        luaL_error(L, "option 'name' expected");
    return (struct jf_archive_options){
        .name = name,
        .path = jf_opt_string(L, 1, "archive", NULL, NULL),
        .sha256 = jf_opt_string(L, 1, "sha256", NULL, NULL),
        .limit_bytes = (uint64_t)limit,
    };
}

int jf_registry_member(lua_State *L) {
    static const char *const options[] = {"name", "archive", "download",    "pattern",
                                          "file", "sha256",  "limit_bytes", NULL};
    struct jf_error err;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    jf_opt_known(L, 1, options);
    struct jf_member_options member = {
        .archive = read_archive(L),
        .pattern = jf_opt_string(L, 1, "pattern", NULL, NULL),
        .file = jf_opt_string(L, 1, "file", NULL, NULL),
    };
    if (!member.file)
        luaL_error(L, "option 'file' expected");
    if (!member.archive.path) {
        lua_getfield(L, 1, "download");
        jf_growing_borrow(L, -1, &member.archive.growing);
    }
    struct jf_download **box = jf_bind_push_download(L);
    if (jf_member_start(&member, box, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

int jf_registry_unpack(lua_State *L) {
    static const char *const options[] = {"name", "archive", "dir", "sha256", "limit_bytes", NULL};
    struct jf_error err;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    jf_opt_known(L, 1, options);
    struct jf_archive_options archive = read_archive(L);
    const char *dir = jf_opt_string(L, 1, "dir", NULL, NULL);
    if (!archive.path || !dir)
        luaL_error(L, "options 'archive' and 'dir' expected");
    archive.cancel = jf_bind_context(L)->cancel;
    return jf_bind_result(L, jf_unpack(&archive, dir, &err), &err);
}

int jf_registry_fits(lua_State *L) {
    lua_pushboolean(L, jf_member_fits(jf_check_text(L, 1), jf_check_text(L, 2)));
    return 1;
}
