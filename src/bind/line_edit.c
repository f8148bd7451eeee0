// SPDX-License-Identifier: Apache-2.0
//
// jflash.line_edit: lines that a person types at a prompt.
#include "sys/line_edit.h"

#include "bind/bind.h"
#include "bind/scratch.h"

#define EDITOR "jflash.line_edit"

struct handle {
    struct jf_line_edit *edit; // NULL once closed
    lua_State *L;              // that reads; its stack has the handle at 1
};

static struct handle *check_editor(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, EDITOR);
    if (!handle->edit)
        luaL_error(L, "the line editor is closed");
    return handle;
}

static int editor_close(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, EDITOR);
    struct jf_line_edit *edit = handle->edit;
    handle->edit = NULL;
    jf_line_edit_close(edit);
    return 0;
}

// What a completion is asked with.
struct question {
    const char *line;
    size_t cursor;
    struct jf_completion *completion;
};

static void add_result(lua_State *L, int index, struct jf_buf *out) {
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    if (text && !jf_buf_add(out, text, len))
        luaL_error(L, "not enough memory");
}

// Protected: arguments are the completing function and the question.
static int ask(lua_State *L) {
    const struct question *question = lua_touserdata(L, 2);
    lua_pushvalue(L, 1);
    lua_pushlstring(L, question->line, question->cursor);
    lua_call(L, 1, 2); // function question insert list
    add_result(L, 3, &question->completion->insert);
    add_result(L, 4, &question->completion->list);
    return 0;
}

// Runs below the library, on the job's thread: no error may pass through it. One
// that is raised completes nothing.
static void complete(void *context, const char *line, size_t cursor,
                     struct jf_completion *completion) {
    struct handle *handle = context;
    lua_State *L = handle->L;
    struct question question = {line, cursor, completion};
    int top = lua_gettop(L);
    if (!lua_checkstack(L, 4))
        return;
    lua_pushcfunction(L, ask);
    lua_getiuservalue(L, 1, 1);
    lua_pushlightuserdata(L, &question);
    lua_pcall(L, 2, 0, 0);
    lua_settop(L, top);
}

static int line_edit_open(lua_State *L) {
    static const char *const known[] = {"complete", NULL};
    jf_opt_known(L, 1, known);
    lua_settop(L, 1);
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 1);
    *handle = (struct handle){0};
    luaL_setmetatable(L, EDITOR);
    struct jf_line_edit_options options = {
        .terminal = jf_bind_context(L)->terminal,
        .context = handle,
    };
    if (lua_istable(L, 1) && lua_getfield(L, 1, "complete") != LUA_TNIL) {
        luaL_argexpected(L, lua_isfunction(L, -1), 1, "function");
        options.complete = complete;
        lua_setiuservalue(L, 2, 1);
    }
    lua_settop(L, 2);
    struct jf_error err;
    if (jf_line_edit_open(&options, &handle->edit, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    return 1;
}

static int editor_read(lua_State *L) {
    struct handle *handle = check_editor(L);
    const char *prompt = luaL_checkstring(L, 2);
    struct jf_buf *line = jf_scratch_buf(L);
    struct jf_error err;
    handle->L = L;
    enum jf_code code =
        jf_line_edit_read(handle->edit, prompt, jf_bind_context(L)->cancel, line, &err);
    if (code != JF_OK)
        return jf_bind_fail(L, &err);
    jf_scratch_push(L, line);
    return 1;
}

static int editor_remember(lua_State *L) {
    jf_line_edit_remember(check_editor(L)->edit, luaL_checkstring(L, 2));
    return 0;
}

static const luaL_Reg functions[] = {{"open", line_edit_open}, {NULL, NULL}};

static const luaL_Reg methods[] = {
    {"read", editor_read}, {"remember", editor_remember}, {"close", editor_close}, {NULL, NULL}};

static const luaL_Reg meta[] = {{"__close", editor_close}, {"__gc", editor_close}, {NULL, NULL}};

int luaopen_jflash_line_edit(lua_State *L) {
    jf_bind_class(L, EDITOR, methods, meta);
    luaL_newlib(L, functions);
    return 1;
}
