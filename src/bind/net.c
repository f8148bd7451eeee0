// SPDX-License-Identifier: Apache-2.0
//
// jflash.net: this host's IPv4 addresses (net/address.h).
#include "bind/bind.h"

#include <stdlib.h>
#include <string.h>

#include "net/address.h"

#define LIST "jflash.net.list"

// A list of addresses that survives a Lua error.
struct list {
    struct jf_address *items;
    size_t count;
};

static int push_address(lua_State *L, enum jf_code code, const char *address,
                        const struct jf_error *err) {
    if (code != JF_OK)
        return jf_bind_fail(L, err);
    lua_pushstring(L, address);
    return 1;
}

static int net_address_towards(lua_State *L) {
    char address[INET_ADDRSTRLEN];
    struct jf_error err;
    enum jf_code code = jf_address_towards(luaL_checkstring(L, 1), address, &err);
    return push_address(L, code, address, &err);
}

static int net_interface_address(lua_State *L) {
    char address[INET_ADDRSTRLEN];
    struct jf_error err;
    enum jf_code code = jf_interface_address(luaL_checkstring(L, 1), address, &err);
    return push_address(L, code, address, &err);
}

static int net_random_loopback(lua_State *L) {
    char address[INET_ADDRSTRLEN];
    struct jf_error err;
    enum jf_code code = jf_random_loopback(address, &err);
    return push_address(L, code, address, &err);
}

static int net_is_ipv4(lua_State *L) {
    lua_pushboolean(L, jf_is_ipv4(luaL_checkstring(L, 1)));
    return 1;
}

static int list_free(lua_State *L) {
    struct list *list = luaL_checkudata(L, 1, LIST);
    free(list->items);
    list->items = NULL;
    return 0;
}

static int net_addresses(lua_State *L) {
    struct jf_error err;
    struct list *list = lua_newuserdatauv(L, sizeof *list, 0);
    *list = (struct list){0};
    luaL_setmetatable(L, LIST);
    lua_toclose(L, -1);
    if (jf_addresses(&list->items, &list->count, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_createtable(L, (int)list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        const struct jf_address *item = &list->items[i];
        lua_createtable(L, 0, 5);
        jf_set_string(L, "interface", item->interface);
        jf_set_string(L, "address", item->address);
        jf_set_integer(L, "prefix", item->prefix);
        jf_set_boolean(L, "loopback", item->loopback);
        jf_set_boolean(L, "up", item->up);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static const luaL_Reg functions[] = {
    {"address_towards", net_address_towards},     {"addresses", net_addresses},
    {"interface_address", net_interface_address}, {"is_ipv4", net_is_ipv4},
    {"random_loopback", net_random_loopback},     {NULL, NULL},
};

static const luaL_Reg no_methods[] = {{NULL, NULL}};
static const luaL_Reg list_meta[] = {{"__close", list_free}, {"__gc", list_free}, {NULL, NULL}};

int luaopen_jflash_net(lua_State *L) {
    jf_bind_class(L, LIST, no_methods, list_meta);
    luaL_newlib(L, functions);
    return 1;
}
