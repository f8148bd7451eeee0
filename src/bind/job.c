// SPDX-License-Identifier: Apache-2.0
//
// jflash.job: what a job knows of itself: its cancellation, clock, secrets, and
// the notes that a hard exit prints.
#include "bind/bind.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/notes.h"
#include "base/redact.h"
#include "base/wait.h"

#define GUARD "jflash.job.mask"

// A masked section; closing it ends the section.
struct guard {
    bool open;
    jf_deadline outer;
};

static int job_now(lua_State *L) {
    lua_pushnumber(L, (double)jf_now_ns() / 1e9);
    return 1;
}

static int job_sleep(lua_State *L) {
    struct jf_error err;
    jf_deadline deadline = jf_deadline_in(luaL_checknumber(L, 1));
    return jf_bind_result(L, jf_sleep_until(deadline, jf_bind_context(L)->cancel, &err), &err);
}

static int job_check(lua_State *L) {
    struct jf_error err;
    return jf_bind_result(L, jf_cancel_check(jf_bind_context(L)->cancel, &err), &err);
}

static int job_cancelled(lua_State *L) {
    int signal_number = jf_cancel_signal(jf_bind_context(L)->cancel);
    if (!signal_number)
        return 0;
    lua_pushinteger(L, signal_number);
    lua_pushfstring(L, "SIG%s", sigabbrev_np(signal_number));
    return 2;
}

static int job_cancel(lua_State *L) {
    lua_Integer signal_number = luaL_optinteger(L, 1, SIGINT);
    luaL_argcheck(L, signal_number > 0 && signal_number < NSIG, 1, "no such signal");
    jf_cancel_request(jf_bind_context(L)->cancel, (int)signal_number);
    return 0;
}

static int job_reset(lua_State *L) {
    jf_cancel_reset(jf_bind_context(L)->cancel);
    return 0;
}

static int job_mask(lua_State *L) {
    double seconds = luaL_checknumber(L, 1);
    struct guard *guard = lua_newuserdatauv(L, sizeof *guard, 0);
    guard->open = false;
    luaL_setmetatable(L, GUARD);
    guard->outer = jf_cancel_mask(jf_bind_context(L)->cancel, jf_deadline_in(seconds));
    guard->open = true;
    return 1;
}

static int guard_close(lua_State *L) {
    struct guard *guard = luaL_checkudata(L, 1, GUARD);
    if (guard->open)
        jf_cancel_unmask(jf_bind_context(L)->cancel, guard->outer);
    guard->open = false;
    return 0;
}

static int job_secret(lua_State *L) {
    size_t len;
    const char *secret = luaL_checklstring(L, 1, &len);
    lua_pushboolean(L, jf_redactor_add(jf_bind_context(L)->redactor, secret, len));
    return 1;
}

static int buf_free(lua_State *L) {
    jf_buf_free(lua_touserdata(L, 1));
    return 0;
}

// A buffer that survives a Lua error: it is closed with the function's frame.
static struct jf_buf *push_buf(lua_State *L) {
    struct jf_buf *buf = lua_newuserdatauv(L, sizeof *buf, 0);
    *buf = (struct jf_buf){0};
    lua_newtable(L);
    lua_pushcfunction(L, buf_free);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, buf_free);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    return buf;
}

static int job_redact(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    struct jf_buf *out = push_buf(L);
    if (!jf_redact(jf_bind_context(L)->redactor, text, len, out))
        return luaL_error(L, "not enough memory");
    lua_pushlstring(L, out->data ? out->data : "", out->len);
    return 1;
}

static int job_note(lua_State *L) {
    const char *key = luaL_checkstring(L, 1);
    const char *text = luaL_optstring(L, 2, NULL);
    if (!jf_notes_set(jf_bind_context(L)->notes, key, text))
        return luaL_error(L, "not enough memory");
    return 0;
}

static const luaL_Reg functions[] = {
    {"now", job_now},       {"sleep", job_sleep},
    {"check", job_check},   {"cancelled", job_cancelled},
    {"cancel", job_cancel}, {"reset", job_reset},
    {"mask", job_mask},     {"secret", job_secret},
    {"redact", job_redact}, {"note", job_note},
    {NULL, NULL},
};

static const luaL_Reg guard_methods[] = {{"close", guard_close}, {NULL, NULL}};
static const luaL_Reg guard_meta[] = {
    {"__close", guard_close}, {"__gc", guard_close}, {NULL, NULL}};

int luaopen_jflash_job(lua_State *L) {
    jf_bind_class(L, GUARD, guard_methods, guard_meta);
    luaL_newlib(L, functions);
    return 1;
}
