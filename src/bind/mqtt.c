// SPDX-License-Identifier: Apache-2.0
//
// jflash.mqtt: a client of an MQTT broker (power/mqtt.h).
#include "bind/bind.h"

#include "bind/modules.h"
#include "power/mqtt.h"

#define CLIENT "jflash.mqtt"
#define MESSAGE "jflash.mqtt.message"
#define TIMEOUT_S 10.0

static int client_close(lua_State *L) {
    struct jf_mqtt **box = luaL_checkudata(L, 1, CLIENT);
    struct jf_mqtt *mqtt = *box;
    *box = NULL;
    jf_mqtt_close(mqtt);
    return 0;
}

static struct jf_mqtt *check_client(lua_State *L) {
    struct jf_mqtt **box = luaL_checkudata(L, 1, CLIENT);
    if (!*box)
        luaL_error(L, "the MQTT client is closed");
    return *box;
}

static int mqtt_connect(lua_State *L) {
    static const char *const known[] = {"client_id", "username", "password", "tls",       "cacert",
                                        "cert",      "key",      "insecure", "timeout_s", NULL};
    struct jf_error err;
    lua_Integer port = luaL_checkinteger(L, 2);
    jf_opt_known(L, 3, known);
    luaL_argcheck(L, port > 0 && port <= UINT16_MAX, 2, "a port expected");
    struct jf_mqtt_options options = {
        .host = luaL_checkstring(L, 1),
        .port = (uint16_t)port,
        .client_id = jf_opt_string(L, 3, "client_id", NULL, NULL),
        .username = jf_opt_string(L, 3, "username", NULL, NULL),
        .password = jf_opt_string(L, 3, "password", NULL, NULL),
        .tls = jf_opt_boolean(L, 3, "tls", false),
        .cacert = jf_opt_string(L, 3, "cacert", NULL, NULL),
        .cert = jf_opt_string(L, 3, "cert", NULL, NULL),
        .key = jf_opt_string(L, 3, "key", NULL, NULL),
        .insecure = jf_opt_boolean(L, 3, "insecure", false),
    };
    jf_deadline deadline = jf_opt_deadline(L, 3, TIMEOUT_S);
    struct jf_mqtt **box = lua_newuserdatauv(L, sizeof(struct jf_mqtt *), 0);
    *box = NULL;
    luaL_setmetatable(L, CLIENT);
    struct jf_context *context = jf_bind_context(L);
    if (jf_mqtt_connect(&options, context->shared, deadline, context->cancel, box, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

static int client_subscribe(lua_State *L) {
    static const char *const known[] = {"timeout_s", NULL};
    struct jf_error err;
    struct jf_mqtt *mqtt = check_client(L);
    const char *topic = luaL_checkstring(L, 2);
    jf_opt_known(L, 3, known);
    return jf_bind_result(L,
                          jf_mqtt_subscribe(mqtt, topic, jf_opt_deadline(L, 3, TIMEOUT_S),
                                            jf_bind_context(L)->cancel, &err),
                          &err);
}

static int client_publish(lua_State *L) {
    static const char *const known[] = {"retain", "timeout_s", NULL};
    struct jf_error err;
    size_t len;
    struct jf_mqtt *mqtt = check_client(L);
    const char *topic = luaL_checkstring(L, 2);
    const char *payload = luaL_checklstring(L, 3, &len);
    jf_opt_known(L, 4, known);
    return jf_bind_result(
        L,
        jf_mqtt_publish(mqtt, topic, payload, len, jf_opt_boolean(L, 4, "retain", false),
                        jf_opt_deadline(L, 4, TIMEOUT_S), jf_bind_context(L)->cancel, &err),
        &err);
}

static int message_free(lua_State *L) {
    struct jf_mqtt_message **box = luaL_checkudata(L, 1, MESSAGE);
    jf_mqtt_message_free(*box);
    *box = NULL;
    return 0;
}

static int client_receive(lua_State *L) {
    static const char *const known[] = {"timeout_s", NULL};
    struct jf_error err;
    struct jf_mqtt *mqtt = check_client(L);
    jf_opt_known(L, 2, known);
    struct jf_mqtt_message **box = lua_newuserdatauv(L, sizeof(struct jf_mqtt_message *), 0);
    *box = NULL;
    luaL_setmetatable(L, MESSAGE);
    lua_toclose(L, -1);
    if (jf_mqtt_receive(mqtt, jf_opt_deadline(L, 2, TIMEOUT_S), jf_bind_context(L)->cancel, box,
                        &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_createtable(L, 0, 3);
    jf_set_string(L, "topic", (*box)->topic);
    lua_pushlstring(L, (*box)->payload, (*box)->len);
    lua_setfield(L, -2, "payload");
    lua_pushboolean(L, (*box)->retained);
    lua_setfield(L, -2, "retained");
    return 1;
}

static const luaL_Reg functions[] = {{"connect", mqtt_connect}, {NULL, NULL}};
static const luaL_Reg methods[] = {
    {"subscribe", client_subscribe},
    {"publish", client_publish},
    {"receive", client_receive},
    {"close", client_close},
    {NULL, NULL},
};
static const luaL_Reg client_meta[] = {
    {"__gc", client_close}, {"__close", client_close}, {NULL, NULL}};
static const luaL_Reg message_meta[] = {
    {"__gc", message_free}, {"__close", message_free}, {NULL, NULL}};
static const luaL_Reg no_methods[] = {{NULL, NULL}};

int luaopen_jflash_mqtt(lua_State *L) {
    jf_bind_class(L, CLIENT, methods, client_meta);
    jf_bind_class(L, MESSAGE, no_methods, message_meta);
    luaL_newlib(L, functions);
    return 1;
}
