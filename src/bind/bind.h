// SPDX-License-Identifier: Apache-2.0
//
// What every file in src/bind/ shares. A binding checks arguments, calls the
// core and pushes results; it holds no logic. Conventions:
//
// - Misuse (a wrong type, an unknown option, a closed object) raises. Failure
//   of the world returns nil, message, code (jf_bind_fail).
// - A Lua error is a longjmp: it skips cleanup attributes and `goto out`. So
//   whatever must be released lives in a userdata that was created closed and
//   has its metatable before it acquires anything.
// - __gc and __close are the same function as :close(), which accepts a closed
//   object; every other method raises on one.
#ifndef JF_BIND_BIND_H
#define JF_BIND_BIND_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

#include "base/cancel.h"
#include "base/error.h"

struct jf_redactor;
struct jf_terminal;
struct jf_notes;
struct jf_shared;

// What the bindings of one job share. The runtime owns it and all it points to.
struct jf_context {
    struct jf_cancel *cancel;
    struct jf_redactor *redactor; // secrets that no log and no transcript may show
    struct jf_terminal *terminal; // restored when the process is killed hard
    struct jf_notes *notes;       // what a hard exit would leave on
    struct jf_shared *shared;     // with all jobs of the process
};

// The context of the job that runs in `L`; never NULL.
struct jf_context *jf_bind_context(lua_State *L);
void jf_bind_set_context(lua_State *L, struct jf_context *context);

// Pushes nil, the message, the code's name and, when the operating system refused,
// the errno's name ("EADDRINUSE"); returns how many.
int jf_bind_fail(lua_State *L, const struct jf_error *err);

// Pushes true when `code` is JF_OK (returns 1), else as jf_bind_fail.
int jf_bind_result(lua_State *L, enum jf_code code, const struct jf_error *err);

// Makes the metatable `name` with methods, metamethods (may be NULL), __index
// and __name. Leaves nothing on the stack.
void jf_bind_class(lua_State *L, const char *name, const luaL_Reg *methods, const luaL_Reg *meta);

// Options: the optional table at `arg`. jf_opt_known raises when there is a key
// outside `known` (NULL-terminated), or when the argument is neither nil nor a
// table. The getters return `fallback` for an absent key and raise, naming the
// key, on a wrong type. Strings stay valid while the table holds them.
void jf_opt_known(lua_State *L, int arg, const char *const *known);
double jf_opt_number(lua_State *L, int arg, const char *key, double fallback);
lua_Integer jf_opt_integer(lua_State *L, int arg, const char *key, lua_Integer fallback);
bool jf_opt_boolean(lua_State *L, int arg, const char *key, bool fallback);
const char *jf_opt_string(lua_State *L, int arg, const char *key, const char *fallback,
                          size_t *ret_len);

// The deadline of a call: option `timeout_s` seconds from now, else `fallback_s`.
// The option `headers`, "Name: value" texts, as an array with a NULL behind it, which
// lives on the stack; none can break out of its line. NULL when there is no such option.
const char *const *jf_opt_headers(lua_State *L, int arg);

jf_deadline jf_opt_deadline(lua_State *L, int arg, double fallback_s);

// Sets field `key` of the table at the top of the stack.
void jf_set_integer(lua_State *L, const char *key, lua_Integer value);
void jf_set_number(lua_State *L, const char *key, double value);
void jf_set_boolean(lua_State *L, const char *key, bool value);
// A NULL value leaves the field absent.
void jf_set_string(lua_State *L, const char *key, const char *value);

#endif
