// SPDX-License-Identifier: Apache-2.0
//
// jflash.gpio: lines of GPIO controllers (power/gpio.h).
#include "bind/bind.h"

#include "bind/modules.h"
#include "power/gpio.h"

static const char *const drives[] = {"push_pull", "open_drain", "open_source", NULL};
static const char *const biases[] = {"as_is", "pull_up", "pull_down", "disabled", NULL};

// The index in `names` of the option `key`; the first is the default.
static int opt_choice(lua_State *L, int arg, const char *key, const char *const *names) {
    if (lua_isnoneornil(L, arg))
        return 0;
    lua_getfield(L, arg, key);
    int choice = lua_isnil(L, -1) ? 0 : luaL_checkoption(L, -1, NULL, names);
    lua_pop(L, 1);
    return choice;
}

// The line of arguments 1 and 2, with the options at `options`.
static struct jf_gpio_line check_line(lua_State *L, int options) {
    static const char *const known[] = {"active_low", "drive", "bias", NULL};
    struct jf_gpio_line line = {
        .chip = luaL_checkstring(L, 1),
        .line = luaL_checkstring(L, 2),
    };
    jf_opt_known(L, options, known);
    line.active_low = jf_opt_boolean(L, options, "active_low", false);
    line.drive = (enum jf_gpio_drive)opt_choice(L, options, "drive", drives);
    line.bias = (enum jf_gpio_bias)opt_choice(L, options, "bias", biases);
    return line;
}

static int gpio_set(lua_State *L) {
    struct jf_error err;
    struct jf_gpio_line line = check_line(L, 4);
    luaL_checktype(L, 3, LUA_TBOOLEAN);
    return jf_bind_result(L, jf_gpio_set(&line, lua_toboolean(L, 3), &err), &err);
}

static int gpio_get(lua_State *L) {
    struct jf_error err;
    struct jf_gpio_line line = check_line(L, 3);
    bool active = false;
    if (jf_gpio_get(&line, &active, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_pushboolean(L, active);
    return 1;
}

static const luaL_Reg functions[] = {{"set", gpio_set}, {"get", gpio_get}, {NULL, NULL}};

int luaopen_jflash_gpio(lua_State *L) {
    luaL_newlib(L, functions);
    return 1;
}
