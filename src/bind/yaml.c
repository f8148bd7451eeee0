// SPDX-License-Identifier: Apache-2.0
//
// jflash.yaml: YAML as a tree of tables with positions (data/yaml.h has the
// rules and limits).
//
//   yaml.parse(text, name) -> node | nil, message, code
//
// A node is one of
//   {kind="map", line=, column=, entries={{key=, key_line=, key_column=, value=node}, …}}
//   {kind="list", line=, column=, items={node, …}}
//   {kind="scalar", line=, column=, text=, plain=true|false}
#include "bind/bind.h"

#include "data/yaml.h"

#define DOC "jflash.yaml.document"

// Holds the document while its tree is pushed, which may raise.
struct box {
    struct jf_yaml *doc;
};

static int box_close(lua_State *L) {
    struct box *box = luaL_checkudata(L, 1, DOC);
    jf_yaml_free(box->doc);
    box->doc = NULL;
    return 0;
}

static struct box *push_box(lua_State *L) {
    struct box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->doc = NULL;
    luaL_setmetatable(L, DOC);
    lua_toclose(L, -1);
    return box;
}

static void set_mark(lua_State *L, const char *line, const char *column, struct jf_yaml_mark mark) {
    jf_set_integer(L, line, (lua_Integer)mark.line);
    jf_set_integer(L, column, (lua_Integer)mark.column);
}

static void push_node(lua_State *L, const struct jf_yaml_node *node);

static void set_scalar(lua_State *L, const struct jf_yaml_node *node) {
    jf_set_string(L, "kind", "scalar");
    lua_pushlstring(L, node->text, node->len);
    lua_setfield(L, -2, "text");
    jf_set_boolean(L, "plain", node->plain);
}

static void set_items(lua_State *L, const struct jf_yaml_node *node) {
    jf_set_string(L, "kind", "list");
    lua_newtable(L); // node items
    for (size_t i = 0; i < node->count; i++) {
        push_node(L, node->entries[i].value);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "items");
}

static void set_entries(lua_State *L, const struct jf_yaml_node *node) {
    jf_set_string(L, "kind", "map");
    lua_newtable(L); // node entries
    for (size_t i = 0; i < node->count; i++) {
        const struct jf_yaml_node *key = node->entries[i].key;
        lua_newtable(L); // node entries entry
        lua_pushlstring(L, key->text, key->len);
        lua_setfield(L, -2, "key");
        set_mark(L, "key_line", "key_column", key->mark);
        push_node(L, node->entries[i].value);
        lua_setfield(L, -2, "value");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "entries");
}

// Recursion is bounded by the document's depth.
static void push_node(lua_State *L, const struct jf_yaml_node *node) {
    luaL_checkstack(L, 8, "document");
    lua_newtable(L); // node
    set_mark(L, "line", "column", node->mark);
    switch (node->kind) {
    case JF_YAML_SCALAR:
        set_scalar(L, node);
        break;
    case JF_YAML_LIST:
        set_items(L, node);
        break;
    case JF_YAML_MAP:
        set_entries(L, node);
        break;
    }
}

static int yaml_parse(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *name = luaL_checkstring(L, 2);
    struct jf_error err;
    struct box *box = push_box(L);
    if (jf_yaml_parse(text, len, name, &box->doc, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    push_node(L, jf_yaml_root(box->doc));
    return 1;
}

static const luaL_Reg functions[] = {{"parse", yaml_parse}, {NULL, NULL}};
static const luaL_Reg box_methods[] = {{NULL, NULL}};
static const luaL_Reg box_meta[] = {{"__close", box_close}, {"__gc", box_close}, {NULL, NULL}};

int luaopen_jflash_yaml(lua_State *L) {
    jf_bind_class(L, DOC, box_methods, box_meta);
    luaL_newlib(L, functions);
    return 1;
}
