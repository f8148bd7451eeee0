// SPDX-License-Identifier: Apache-2.0
//
// jflash.snmp: objects of SNMP agents (power/snmp.h).
#include "bind/bind.h"

#include "bind/modules.h"
#include "power/snmp.h"

#define SNMP "jflash.snmp"

static const char *const versions[] = {"1", "2c", "3", NULL};

// The option `key`, which must be there when `needed` is.
static const char *opt_with(lua_State *L, const char *key, const char *needed) {
    const char *value = jf_opt_string(L, 2, key, NULL, NULL);
    if (needed && !value)
        luaL_error(L, "option '%s' is missing", key);
    return value;
}

// The agent of argument 1 with the options of argument 2.
static struct jf_snmp_agent check_agent(lua_State *L) {
    static const char *const known[] = {
        "port",     "version",   "community", "user", "auth_protocol", "auth_key", "priv_protocol",
        "priv_key", "timeout_s", "retries",   NULL};
    jf_opt_known(L, 2, known);
    lua_Integer port = jf_opt_integer(L, 2, "port", 161);
    lua_Integer retries = jf_opt_integer(L, 2, "retries", 2);
    luaL_argcheck(L, port > 0 && port <= UINT16_MAX, 2, "option 'port' is 1 to 65535");
    luaL_argcheck(L, retries >= 0 && retries <= 100, 2, "option 'retries' is 0 to 100");
    lua_pushstring(L, jf_opt_string(L, 2, "version", "2c", NULL));
    int version = luaL_checkoption(L, -1, NULL, versions);
    struct jf_snmp_agent agent = {
        .host = luaL_checkstring(L, 1),
        .port = (uint16_t)port,
        .version = (enum jf_snmp_version)version,
        .community = jf_opt_string(L, 2, "community", "public", NULL),
        .user = opt_with(L, "user", version == JF_SNMP_3 ? "" : NULL),
        .auth_protocol = jf_opt_string(L, 2, "auth_protocol", NULL, NULL),
        .priv_protocol = jf_opt_string(L, 2, "priv_protocol", NULL, NULL),
        .timeout_s = jf_opt_number(L, 2, "timeout_s", 5),
        .retries = (int)retries,
    };
    agent.auth_key = opt_with(L, "auth_key", agent.auth_protocol);
    agent.priv_key = opt_with(L, "priv_key", agent.priv_protocol);
    luaL_argcheck(L, agent.auth_protocol || !agent.priv_protocol, 2,
                  "option 'priv_protocol' needs 'auth_protocol'");
    return agent;
}

static int snmp_open(lua_State *L) {
    struct jf_error err;
    struct jf_context *context = jf_bind_context(L);
    struct jf_snmp_agent agent = check_agent(L);
    struct jf_snmp **box = lua_newuserdatauv(L, sizeof(struct jf_snmp *), 0);
    *box = NULL;
    luaL_setmetatable(L, SNMP);
    if (jf_snmp_open(&agent, context->shared, context->cancel, box, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

static struct jf_snmp *check_session(lua_State *L) {
    struct jf_snmp **box = luaL_checkudata(L, 1, SNMP);
    if (!*box)
        luaL_error(L, "the session is closed");
    return *box;
}

static int session_get(lua_State *L) {
    struct jf_error err;
    struct jf_snmp *snmp = check_session(L);
    struct jf_snmp_value value;
    if (jf_snmp_get(snmp, luaL_checkstring(L, 2), jf_bind_context(L)->cancel, &value, &err) !=
        JF_OK)
        return jf_bind_fail(L, &err);
    switch (value.type) {
    case JF_SNMP_ABSENT:
        lua_pushboolean(L, 0);
        lua_pushlstring(L, value.bytes, value.len);
        return 2;
    case JF_SNMP_INTEGER:
        lua_pushinteger(L, value.integer);
        return 1;
    case JF_SNMP_NUMBER:
        lua_pushnumber(L, value.number);
        return 1;
    default:
        lua_pushlstring(L, value.bytes, value.len);
        return 1;
    }
}

static int session_set(lua_State *L) {
    struct jf_error err;
    struct jf_snmp *snmp = check_session(L);
    const char *oid = luaL_checkstring(L, 2);
    lua_Integer value = luaL_checkinteger(L, 3);
    luaL_argcheck(L, value >= INT32_MIN && value <= INT32_MAX, 3, "an integer of 32 bits expected");
    return jf_bind_result(
        L, jf_snmp_set(snmp, oid, (int32_t)value, jf_bind_context(L)->cancel, &err), &err);
}

static int session_close(lua_State *L) {
    struct jf_snmp **box = luaL_checkudata(L, 1, SNMP);
    jf_snmp_close(*box);
    *box = NULL;
    return 0;
}

static const luaL_Reg functions[] = {{"open", snmp_open}, {NULL, NULL}};
static const luaL_Reg methods[] = {
    {"get", session_get}, {"set", session_set}, {"close", session_close}, {NULL, NULL}};
static const luaL_Reg meta[] = {{"__close", session_close}, {"__gc", session_close}, {NULL, NULL}};

int luaopen_jflash_snmp(lua_State *L) {
    jf_bind_class(L, SNMP, methods, meta);
    luaL_newlib(L, functions);
    return 1;
}
