// SPDX-License-Identifier: Apache-2.0
//
// jflash.hid: USB devices of the HID class (power/hid.h).
#include "power/hid.h"
#include "bind/bind.h"
#include "bind/modules.h"

#define HID "jflash.hid"
#define LIST "jflash.hid.list"
// The largest report of a device that is a switch, and its number.
#define REPORT_MAX 65

// A list of devices that survives a Lua error.
struct list {
    struct jf_hid_info *items;
    size_t count;
};

static int list_free(lua_State *L) {
    struct list *list = luaL_checkudata(L, 1, LIST);
    jf_hid_list_free(list->items, list->count);
    *list = (struct list){0};
    return 0;
}

static uint16_t check_id(lua_State *L, int arg) {
    lua_Integer id = luaL_optinteger(L, arg, 0);
    luaL_argcheck(L, id >= 0 && id <= UINT16_MAX, arg, "a number of 16 bits expected");
    return (uint16_t)id;
}

static int hid_list(lua_State *L) {
    static const char *const ways[] = {
        [JF_HID_HIDRAW] = "hidraw", [JF_HID_LIBUSB] = "libusb", NULL};
    struct jf_error err;
    uint16_t vendor_id = check_id(L, 1);
    uint16_t product_id = check_id(L, 2);
    enum jf_hid_way way = (enum jf_hid_way)luaL_checkoption(L, 3, ways[JF_HID_HIDRAW], ways);
    struct list *list = lua_newuserdatauv(L, sizeof *list, 0);
    *list = (struct list){0};
    luaL_setmetatable(L, LIST);
    lua_toclose(L, -1);
    if (jf_hid_list(way, vendor_id, product_id, &list->items, &list->count, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_createtable(L, (int)list->count, 0);
    for (size_t i = 0; i < list->count; i++) {
        const struct jf_hid_info *item = &list->items[i];
        lua_createtable(L, 0, 5);
        jf_set_string(L, "path", item->path);
        jf_set_string(L, "serial", item->serial);
        jf_set_string(L, "product", item->product);
        jf_set_integer(L, "vendor_id", item->vendor_id);
        jf_set_integer(L, "product_id", item->product_id);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int hid_open(lua_State *L) {
    struct jf_error err;
    const char *path = luaL_checkstring(L, 1);
    struct jf_hid **box = lua_newuserdatauv(L, sizeof(struct jf_hid *), 0);
    *box = NULL;
    luaL_setmetatable(L, HID);
    if (jf_hid_open(path, box, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

static struct jf_hid *check_hid(lua_State *L) {
    struct jf_hid **box = luaL_checkudata(L, 1, HID);
    if (!*box)
        luaL_error(L, "the device is closed");
    return *box;
}

static int device_write(lua_State *L) {
    struct jf_error err;
    struct jf_hid *hid = check_hid(L);
    size_t len;
    const char *report = luaL_checklstring(L, 2, &len);
    return jf_bind_result(L, jf_hid_write(hid, report, len, &err), &err);
}

static int device_send_feature(lua_State *L) {
    struct jf_error err;
    struct jf_hid *hid = check_hid(L);
    size_t len;
    const char *report = luaL_checklstring(L, 2, &len);
    return jf_bind_result(L, jf_hid_send_feature(hid, report, len, &err), &err);
}

static int device_get_feature(lua_State *L) {
    struct jf_error err;
    struct jf_hid *hid = check_hid(L);
    unsigned char report[REPORT_MAX] = {(unsigned char)luaL_checkinteger(L, 2)};
    lua_Integer size = luaL_checkinteger(L, 3);
    size_t len = 0;
    luaL_argcheck(L, size >= 1 && size <= REPORT_MAX, 3, "1 to 65 bytes expected");
    if (jf_hid_get_feature(hid, report, (size_t)size, &len, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushlstring(L, (const char *)report, len);
    return 1;
}

static int device_read(lua_State *L) {
    struct jf_error err;
    struct jf_hid *hid = check_hid(L);
    static const char *const known[] = {"timeout_s", NULL};
    unsigned char report[REPORT_MAX];
    size_t len = 0;
    jf_opt_known(L, 2, known);
    if (jf_hid_read(hid, report, sizeof report, jf_opt_deadline(L, 2, 1),
                    jf_bind_context(L)->cancel, &len, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushlstring(L, (const char *)report, len);
    return 1;
}

static int device_close(lua_State *L) {
    struct jf_hid **box = luaL_checkudata(L, 1, HID);
    jf_hid_close(*box);
    *box = NULL;
    return 0;
}

static const luaL_Reg functions[] = {{"list", hid_list}, {"open", hid_open}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"write", device_write},
    {"send_feature", device_send_feature},
    {"get_feature", device_get_feature},
    {"read", device_read},
    {"close", device_close},
    {NULL, NULL},
};
static const luaL_Reg meta[] = {{"__close", device_close}, {"__gc", device_close}, {NULL, NULL}};
static const luaL_Reg no_methods[] = {{NULL, NULL}};
static const luaL_Reg list_meta[] = {{"__close", list_free}, {"__gc", list_free}, {NULL, NULL}};

int luaopen_jflash_hid(lua_State *L) {
    jf_bind_class(L, HID, methods, meta);
    jf_bind_class(L, LIST, no_methods, list_meta);
    luaL_newlib(L, functions);
    return 1;
}
