// SPDX-License-Identifier: Apache-2.0
//
// jflash.http_client: one small request (net/http_exchange.h).
#include "bind/bind.h"

#include "bind/modules.h"
#include "net/http_exchange.h"

#define ANSWER "jflash.http_client.answer"

static int answer_free(lua_State *L) {
    jf_buf_free(luaL_checkudata(L, 1, ANSWER));
    return 0;
}

static const char *check_string(lua_State *L, const char *key) {
    const char *text = jf_opt_string(L, 1, key, NULL, NULL);
    if (!text)
        luaL_error(L, "option '%s' expected", key);
    return text;
}

static double opt_seconds(lua_State *L, const char *key, double fallback) {
    double seconds = jf_opt_number(L, 1, key, fallback);
    if (!(seconds >= 0.01 && seconds <= 86400))
        luaL_error(L, "option '%s': up to a day of seconds expected", key);
    return seconds;
}

static const char *const known[] = {"url",      "name",   "method",    "body",      "headers",
                                    "user",     "digest", "password",  "cacert",    "bearer",
                                    "insecure", "accept", "body_type", "timeout_s", NULL};

static struct jf_http_request read_request(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    jf_opt_known(L, 1, known);
    double timeout_s = opt_seconds(L, "timeout_s", 10);
    struct jf_http_request request = {
        .url = check_string(L, "url"),
        .name = check_string(L, "name"),
        .method = jf_opt_string(L, 1, "method", "GET", NULL),
        .headers = jf_opt_headers(L, 1),
        .user = jf_opt_string(L, 1, "user", NULL, NULL),
        .password = jf_opt_string(L, 1, "password", NULL, NULL),
        .digest = jf_opt_boolean(L, 1, "digest", false),
        .bearer = jf_opt_string(L, 1, "bearer", NULL, NULL),
        .accept = jf_opt_string(L, 1, "accept", NULL, NULL),
        .body_type = jf_opt_string(L, 1, "body_type", NULL, NULL),
        .cacert = jf_opt_string(L, 1, "cacert", NULL, NULL),
        .insecure = jf_opt_boolean(L, 1, "insecure", false),
        .user_agent = "jflash",
        .connect_timeout_s = timeout_s,
        .stall_timeout_s = timeout_s + 1,
        .total_timeout_s = timeout_s,
    };
    request.body = jf_opt_string(L, 1, "body", NULL, &request.body_len);
    return request;
}

// What a failure's status says, and whether it can pass by itself.
static void push_outcome(lua_State *L, const struct jf_http_outcome *outcome) {
    lua_createtable(L, 0, 2);
    jf_set_integer(L, "status", outcome->status);
    jf_set_boolean(L, "passing", outcome->outlook != JF_HTTP_LASTING);
}

static int ask(lua_State *L) {
    struct jf_http_request request = read_request(L);
    struct jf_http_outcome outcome;
    struct jf_error err;
    struct jf_buf *body = lua_newuserdatauv(L, sizeof *body, 0);
    *body = (struct jf_buf){0};
    luaL_setmetatable(L, ANSWER);
    lua_toclose(L, -1);
    enum jf_code code =
        jf_http_exchange(&request, jf_bind_context(L)->cancel, body, &outcome, &err);
    if (code != JF_OK) {
        int pushed = jf_bind_fail(L, &err);
        push_outcome(L, &outcome);
        return pushed + 1;
    }
    lua_createtable(L, 0, 2);
    jf_set_integer(L, "status", outcome.status);
    lua_pushlstring(L, body->data ? body->data : "", body->len);
    lua_setfield(L, -2, "body");
    return 1;
}

static const luaL_Reg functions[] = {{"ask", ask}, {NULL, NULL}};
static const luaL_Reg no_methods[] = {{NULL, NULL}};
static const luaL_Reg answer_meta[] = {
    {"__close", answer_free}, {"__gc", answer_free}, {NULL, NULL}};

int luaopen_jflash_http_client(lua_State *L) {
    jf_bind_class(L, ANSWER, no_methods, answer_meta);
    luaL_newlib(L, functions);
    return 1;
}
