// SPDX-License-Identifier: Apache-2.0
//
// jflash.json: JSON (RFC 8259) by jansson.
//
//   json.decode(text, name?) -> value | nil, message, code
//   json.encode(value, {pretty=false}?) -> text
//
// Arrays that decode makes have the metatable json.array, also when empty; encode
// takes a table for an array when it has that metatable or is a sequence that is
// not empty. null is json.null, both ways. An integer stays an integer, a float
// a float. Keys are sorted. What JSON cannot hold raises: cycles, keys that are
// no strings, text that is not UTF-8, NaN and infinity, functions.
#include "bind/bind.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define BOX "jflash.json.box"
#define ARRAY "jflash.json.array"
#define MIXED "json: a table is neither a sequence nor an object"
#define DEPTH_LIMIT 256
#define INPUT_LIMIT ((size_t)64 * 1024 * 1024)

// What jansson allocated, held while Lua may raise.
struct box {
    json_t *value;
    char *text;
};

// A table on the way from the root, to find cycles.
struct outer {
    const struct outer *up;
    const void *table;
    unsigned depth;
};

// The state of one encode.
struct encoder {
    struct box *box;
    bool long_floats; // some float needs all 17 digits
};

static int box_close(lua_State *L) {
    struct box *box = luaL_checkudata(L, 1, BOX);
    json_decref(box->value);
    free(box->text);
    *box = (struct box){0};
    return 0;
}

static struct box *push_box(lua_State *L) {
    struct box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct box){0};
    luaL_setmetatable(L, BOX);
    lua_toclose(L, -1);
    return box;
}

static void push_value(lua_State *L, const json_t *value);

static void push_array(lua_State *L, const json_t *array) {
    lua_newtable(L); // array
    luaL_setmetatable(L, ARRAY);
    for (size_t i = 0; i < json_array_size(array); i++) {
        push_value(L, json_array_get(array, i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_object(lua_State *L, const json_t *object) {
    json_t *open = (json_t *)object; // jansson's iterators take no const
    lua_newtable(L);                 // object
    for (void *at = json_object_iter(open); at; at = json_object_iter_next(open, at)) {
        lua_pushstring(L, json_object_iter_key(at));
        push_value(L, json_object_iter_value(at));
        lua_rawset(L, -3);
    }
}

// Recursion is bounded by jansson's own limit (2048 levels).
static void push_value(lua_State *L, const json_t *value) {
    luaL_checkstack(L, 8, "JSON text");
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        push_object(L, value);
        break;
    case JSON_ARRAY:
        push_array(L, value);
        break;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        lua_pushinteger(L, json_integer_value(value));
        break;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, json_is_true(value));
        break;
    case JSON_NULL:
        lua_pushlightuserdata(L, NULL);
        break;
    }
}

static int fail_decode(lua_State *L, const char *name, const json_error_t *error) {
    lua_pushnil(L);
    lua_pushfstring(L, "%s:%d:%d: %s", name, error->line, error->column, error->text);
    lua_pushstring(L, jf_code_name(JF_PROTOCOL));
    return 3;
}

static int json_decode(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *name = luaL_optstring(L, 2, "json");
    struct jf_error err;
    if (len > INPUT_LIMIT) {
        jf_fail(&err, JF_LIMIT, "%s: %zu bytes of JSON, the limit is 64 MiB", name, len);
        return jf_bind_fail(L, &err);
    }
    json_error_t error;
    struct box *box = push_box(L);
    box->value =
        json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!box->value)
        return fail_decode(L, name, &error);
    push_value(L, box->value);
    return 1;
}

static json_t *make_value(lua_State *L, struct encoder *encoder, int index, json_t *parent,
                          const char *key, const struct outer *outer);

// Hands `value` to its owner at once, so that an error on the way frees it: the
// array or object `parent`, or the box when there is none. Returns the value.
static json_t *own(lua_State *L, struct encoder *encoder, json_t *value, json_t *parent,
                   const char *key) {
    int failed = 0;
    if (!value)
        luaL_error(L, "json: not UTF-8, or not enough memory");
    else if (!parent)
        encoder->box->value = value;
    else if (key)
        failed = json_object_set_new(parent, key, value);
    else
        failed = json_array_append_new(parent, value);
    if (failed)
        luaL_error(L, "json: not UTF-8, or not enough memory");
    return value;
}

static json_t *make_number(lua_State *L, struct encoder *encoder, int index) {
    if (lua_isinteger(L, index))
        return json_integer(lua_tointeger(L, index));
    double number = lua_tonumber(L, index);
    json_t *value = json_real(number);
    if (!value)
        luaL_error(L, "json: NaN and infinity have no JSON form");
    char digits[32];
    snprintf(digits, sizeof digits, "%.15g", number);
    encoder->long_floats =
        encoder->long_floats || strtod(digits, NULL) < number || strtod(digits, NULL) > number;
    return value;
}

static json_t *make_string(lua_State *L, int index) {
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    return json_stringn(text, len);
}

static void check_cycle(lua_State *L, const struct outer *outer, const void *table) {
    if (outer && outer->depth >= DEPTH_LIMIT)
        luaL_error(L, "json: nested deeper than %d levels", DEPTH_LIMIT);
    for (; outer; outer = outer->up) {
        if (outer->table == table)
            luaL_error(L, "json: a table contains itself");
    }
}

static bool is_array(lua_State *L, int index) {
    bool marked = false;
    if (lua_getmetatable(L, index)) {
        luaL_getmetatable(L, ARRAY);
        marked = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    return marked || lua_rawlen(L, index) > 0;
}

static void fill_array(lua_State *L, struct encoder *encoder, int index, json_t *array,
                       const struct outer *outer) {
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= count; i++) {
        if (lua_rawgeti(L, index, i) == LUA_TNIL)
            luaL_error(L, MIXED);
        make_value(L, encoder, lua_gettop(L), array, NULL, outer);
        lua_pop(L, 1);
    }
    lua_pushnil(L);
    for (lua_Integer seen = 1; lua_next(L, index); seen++) {
        lua_pop(L, 1);
        if (seen > count || !lua_isinteger(L, -1))
            luaL_error(L, MIXED);
    }
}

static void fill_object(lua_State *L, struct encoder *encoder, int index, json_t *object,
                        const struct outer *outer) {
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "json: a key is a %s; keys are strings", luaL_typename(L, -2));
        size_t len;
        const char *key = lua_tolstring(L, -2, &len);
        for (size_t i = 0; i < len; i++) {
            if (!key[i])
                luaL_error(L, "json: a key contains a zero byte");
        }
        make_value(L, encoder, lua_gettop(L), object, key, outer);
        lua_pop(L, 1);
    }
}

static json_t *make_table(lua_State *L, struct encoder *encoder, int index, json_t *parent,
                          const char *key, const struct outer *outer) {
    const struct outer inner = {
        .up = outer, .table = lua_topointer(L, index), .depth = outer ? outer->depth + 1 : 1};
    check_cycle(L, outer, inner.table);
    luaL_checkstack(L, 8, "value");
    bool array = is_array(L, index);
    json_t *table = own(L, encoder, array ? json_array() : json_object(), parent, key);
    if (array)
        fill_array(L, encoder, index, table, &inner);
    else
        fill_object(L, encoder, index, table, &inner);
    return table;
}

static json_t *make_value(lua_State *L, struct encoder *encoder, int index, json_t *parent,
                          const char *key, const struct outer *outer) {
    switch (lua_type(L, index)) {
    case LUA_TTABLE:
        return make_table(L, encoder, index, parent, key, outer);
    case LUA_TSTRING:
        return own(L, encoder, make_string(L, index), parent, key);
    case LUA_TNUMBER:
        return own(L, encoder, make_number(L, encoder, index), parent, key);
    case LUA_TBOOLEAN:
        return own(L, encoder, json_boolean(lua_toboolean(L, index)), parent, key);
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, index))
            return own(L, encoder, json_null(), parent, key);
        break;
    default:
        break;
    }
    luaL_error(L, "json: a %s has no JSON form", luaL_typename(L, index));
    return NULL;
}

static int json_encode(lua_State *L) {
    static const char *const known[] = {"pretty", NULL};
    luaL_checkany(L, 1);
    jf_opt_known(L, 2, known);
    bool pretty = jf_opt_boolean(L, 2, "pretty", false);
    struct encoder encoder = {.box = push_box(L)};
    make_value(L, &encoder, 1, NULL, NULL, NULL);
    size_t flags = JSON_SORT_KEYS | JSON_ENCODE_ANY | (pretty ? JSON_INDENT(2U) : JSON_COMPACT) |
                   JSON_REAL_PRECISION(encoder.long_floats ? 17U : 15U);
    encoder.box->text = json_dumps(encoder.box->value, flags);
    if (!encoder.box->text)
        return luaL_error(L, "json: not enough memory");
    lua_pushstring(L, encoder.box->text);
    return 1;
}

static const luaL_Reg functions[] = {
    {"decode", json_decode},
    {"encode", json_encode},
    {NULL, NULL},
};
static const luaL_Reg box_methods[] = {{NULL, NULL}};
static const luaL_Reg box_meta[] = {{"__close", box_close}, {"__gc", box_close}, {NULL, NULL}};

int luaopen_jflash_json(lua_State *L) {
    jf_bind_class(L, BOX, box_methods, box_meta);
    luaL_newlib(L, functions);
    luaL_newmetatable(L, ARRAY);
    lua_setfield(L, -2, "array");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
