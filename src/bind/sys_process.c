// SPDX-License-Identifier: Apache-2.0
//
// jflash.sys: running and starting programs, and other processes by number.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "bind/bind.h"
#include "bind/scratch.h"
#include "bind/sys.h"
#include "sys/fd.h"
#include "sys/pid.h"
#include "sys/process.h"
#include "sys/run.h"

#define PROCESS "jflash.sys.process"
#define RUN "jflash.sys.run"
#define OUTPUT_LIMIT (1 << 20)
#define TIMEOUT_S 60.0

int jf_sys_check_signal(lua_State *L, int arg) {
    if (lua_type(L, arg) == LUA_TNUMBER) {
        lua_Integer number = luaL_checkinteger(L, arg);
        luaL_argcheck(L, number >= 0 && number < NSIG, arg, "no such signal");
        return (int)number;
    }
    const char *name = luaL_checkstring(L, arg);
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (int number = 1; number < NSIG; number++) {
        const char *known = sigabbrev_np(number);
        if (known && strcmp(known, name) == 0)
            return number;
    }
    return luaL_argerror(L, arg, "no such signal");
}

static const char *check_element(lua_State *L, int index) {
    size_t len = 0;
    // Not lua_tolstring alone: it takes numbers, and leaves its string unanchored.
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &len) : NULL;
    if (!text || strlen(text) != len)
        luaL_error(L, "bad argument #1: an array of strings without NUL expected");
    return text;
}

// Pushes an argv of the array at 1, whose strings it keeps alive.
static char **push_argv(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer count = luaL_len(L, 1);
    luaL_argcheck(L, count >= 1 && count < 10000, 1, "no program");
    char **argv = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *argv, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, 1, i + 1);
        argv[i] = (char *)(uintptr_t)check_element(L, -1);
        lua_pop(L, 1); // the array keeps it alive
    }
    argv[count] = NULL;
    return argv;
}

// Replaces the pair at the top (key, value of option env) by its assignment, or
// by the bare name when the value is false: remove it.
static void make_assignment(lua_State *L) {
    bool removes = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
    if (lua_type(L, -2) != LUA_TSTRING || (!removes && !lua_isstring(L, -1)))
        luaL_error(L, "option 'env': names with strings (or false) expected");
    const char *name = lua_tostring(L, -2);
    if (name[0] == '\0' || strchr(name, '='))
        luaL_error(L, "option 'env': '%s' is no name", name);
    if (removes)
        lua_pushstring(L, name);
    else
        lua_pushfstring(L, "%s=%s", name, luaL_tolstring(L, -1, NULL));
}

// Pushes what the option env asks for, or nil; what it returns lives as long.
static char **push_env(lua_State *L, int arg) {
    if (!lua_istable(L, arg) || lua_getfield(L, arg, "env") == LUA_TNIL) {
        lua_pushnil(L);
        return NULL;
    }
    luaL_argcheck(L, lua_istable(L, -1), arg, "option 'env': table expected");
    int table = lua_gettop(L);
    lua_newtable(L); // keeps the assignments alive
    int anchor = lua_gettop(L);
    lua_Integer count = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_settop(L, anchor + 1)) {
        make_assignment(L);
        lua_rawseti(L, anchor, ++count);
    }
    char **env = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *env, 0);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, anchor, i + 1);
        env[i] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    env[count] = NULL;
    return env;
}

static void push_exit(lua_State *L, const struct jf_exit *ended) {
    lua_newtable(L);
    if (ended->status >= 0)
        jf_set_integer(L, "status", ended->status);
    if (ended->signal_number >= 0)
        jf_set_integer(L, "signal", ended->signal_number);
}

static int run_result_free(lua_State *L) {
    jf_run_result_free(lua_touserdata(L, 1));
    return 0;
}

static struct jf_run_result *push_run_result(lua_State *L) {
    struct jf_run_result *result = lua_newuserdatauv(L, sizeof *result, 0);
    *result = (struct jf_run_result){.exit = {-1, -1}};
    luaL_setmetatable(L, RUN);
    lua_toclose(L, -1);
    return result;
}

static void push_run_table(lua_State *L, const struct jf_run_result *result) {
    push_exit(L, &result->exit);
    jf_scratch_push(L, &result->output);
    lua_setfield(L, -2, "stdout");
    jf_scratch_push(L, &result->errors);
    lua_setfield(L, -2, "stderr");
    jf_set_boolean(L, "truncated", result->truncated);
}

// A Ctrl-C that went to a program in the foreground was meant for us as well.
static enum jf_code pass_interrupt(struct jf_context *context, const struct jf_run *run,
                                   const struct jf_run_result *result, struct jf_error *err) {
    if (!run->spawn.inherit || result->exit.signal_number != SIGINT)
        return JF_OK;
    jf_cancel_request(context->cancel, SIGINT);
    return jf_cancel_check(context->cancel, err);
}

static int sys_run(lua_State *L) {
    static const char *const options[] = {"timeout_s",          "stdin",   "env", "cwd",
                                          "output_limit_bytes", "inherit", NULL};
    jf_opt_known(L, 2, options);
    struct jf_run run = {.spawn = {.argv = push_argv(L)}};
    run.spawn.env = push_env(L, 2);
    run.spawn.cwd = jf_opt_string(L, 2, "cwd", NULL, NULL);
    run.spawn.inherit = jf_opt_boolean(L, 2, "inherit", false);
    run.input = jf_opt_string(L, 2, "stdin", NULL, &run.input_len);
    lua_Integer limit = jf_opt_integer(L, 2, "output_limit_bytes", OUTPUT_LIMIT);
    run.output_limit = limit > 0 ? (size_t)limit : 0;
    jf_deadline deadline = jf_opt_deadline(L, 2, TIMEOUT_S);

    struct jf_context *context = jf_bind_context(L);
    struct jf_run_result *result = push_run_result(L);
    struct jf_error err;
    enum jf_code code = jf_run(&run, deadline, context->cancel, result, &err);
    if (code == JF_OK)
        code = pass_interrupt(context, &run, result, &err);
    int count = code == JF_OK ? 0 : jf_bind_fail(L, &err);
    push_run_table(L, result);
    return count + 1;
}

// A process object with the descriptors that are only needed to start it.
struct started {
    struct jf_process process;
    int log_fds[2]; // stdout, stderr
};

static void close_logs(struct started *started) {
    jf_fd_close(&started->log_fds[0]);
    jf_fd_close(&started->log_fds[1]);
}

static int process_close(lua_State *L) {
    struct started *started = luaL_checkudata(L, 1, PROCESS);
    close_logs(started);
    jf_process_close(&started->process);
    return 0;
}

static struct jf_process *check_process(lua_State *L) {
    struct started *started = luaL_checkudata(L, 1, PROCESS);
    luaL_argcheck(L, started->process.pidfd >= 0, 1, "process is closed");
    return &started->process;
}

static enum jf_code open_log(const char *path, int *fd, struct jf_error *err) {
    if (!path)
        return JF_OK;
    *fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    return *fd < 0 ? jf_fail_errno(err, errno, "%s: open", path) : JF_OK;
}

static int sys_spawn(lua_State *L) {
    static const char *const options[] = {"env", "cwd", "stdout", "stderr", "detach", NULL};
    jf_opt_known(L, 2, options);
    struct jf_spawn spawn = {.argv = push_argv(L)};
    spawn.env = push_env(L, 2);
    spawn.cwd = jf_opt_string(L, 2, "cwd", NULL, NULL);
    spawn.detach = jf_opt_boolean(L, 2, "detach", false);
    const char *output = jf_opt_string(L, 2, "stdout", NULL, NULL);
    const char *errors = jf_opt_string(L, 2, "stderr", NULL, NULL);

    struct started *started = lua_newuserdatauv(L, sizeof *started, 0);
    *started = (struct started){.process = JF_PROCESS_CLOSED, .log_fds = {-1, -1}};
    luaL_setmetatable(L, PROCESS);
    struct jf_error err;
    enum jf_code code = open_log(output, &started->log_fds[0], &err);
    if (code == JF_OK)
        code = open_log(errors, &started->log_fds[1], &err);
    spawn.fds[0] = -1;
    spawn.fds[1] = started->log_fds[0];
    spawn.fds[2] = started->log_fds[1];
    if (code == JF_OK)
        code = jf_process_start(&spawn, &started->process, &err);
    close_logs(started);
    return code == JF_OK ? 1 : jf_bind_fail(L, &err);
}

static int process_pid(lua_State *L) {
    lua_pushinteger(L, check_process(L)->pid);
    return 1;
}

static int process_wait(lua_State *L) {
    static const char *const options[] = {"timeout_s", NULL};
    struct jf_process *process = check_process(L);
    jf_opt_known(L, 2, options);
    struct jf_exit ended;
    struct jf_error err;
    if (jf_process_wait(process, jf_opt_deadline(L, 2, TIMEOUT_S), jf_bind_context(L)->cancel,
                        &ended, &err) != JF_OK) {
        jf_prefix(&err, "process %d", (int)process->pid);
        return jf_bind_fail(L, &err);
    }
    push_exit(L, &ended);
    return 1;
}

static int process_kill(lua_State *L) {
    struct jf_process *process = check_process(L);
    int signal_number = lua_isnoneornil(L, 2) ? SIGTERM : jf_sys_check_signal(L, 2);
    struct jf_error err;
    return jf_bind_result(L, jf_process_kill(process, signal_number, &err), &err);
}

static int process_alive(lua_State *L) {
    lua_pushboolean(L, jf_process_alive(check_process(L)));
    return 1;
}

static pid_t check_pid(lua_State *L) {
    lua_Integer pid = luaL_checkinteger(L, 1);
    // 0 and below stand for groups and for everybody.
    luaL_argcheck(L, pid > 0 && pid <= INT32_MAX, 1, "no process number");
    return (pid_t)pid;
}

static int sys_kill(lua_State *L) {
    pid_t pid = check_pid(L);
    struct jf_error err;
    return jf_bind_result(L, jf_pid_kill(pid, jf_sys_check_signal(L, 2), &err), &err);
}

static int sys_wait_exit(lua_State *L) {
    static const char *const options[] = {"timeout_s", NULL};
    pid_t pid = check_pid(L);
    jf_opt_known(L, 2, options);
    struct jf_error err;
    enum jf_code code =
        jf_pid_wait_exit(pid, jf_opt_deadline(L, 2, TIMEOUT_S), jf_bind_context(L)->cancel, &err);
    return jf_bind_result(L, code, &err);
}

static int sys_process_start(lua_State *L) {
    uint64_t ticks;
    if (!jf_pid_start(check_pid(L), &ticks))
        return 0;
    lua_pushinteger(L, (lua_Integer)ticks);
    return 1;
}

static int sys_process_cmdline(lua_State *L) {
    pid_t pid = check_pid(L);
    struct jf_buf *text = jf_scratch_buf(L);
    struct jf_error err;
    if (jf_pid_cmdline(pid, text, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    lua_newtable(L);
    lua_Integer count = 0;
    for (size_t i = 0; i < text->len; i += strlen(text->data + i) + 1) {
        lua_pushstring(L, text->data + i);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static int sys_process_exe(lua_State *L) {
    pid_t pid = check_pid(L);
    struct jf_buf *path = jf_scratch_buf(L);
    struct jf_error err;
    if (jf_pid_exe(pid, path, &err) != JF_OK)
        return jf_bind_fail(L, &err);
    jf_scratch_push(L, path);
    return 1;
}

static const luaL_Reg functions[] = {
    {"run", sys_run},
    {"spawn", sys_spawn},
    {"kill", sys_kill},
    {"wait_exit", sys_wait_exit},
    {"process_start", sys_process_start},
    {"process_cmdline", sys_process_cmdline},
    {"process_exe", sys_process_exe},
    {NULL, NULL},
};

static const luaL_Reg process_methods[] = {
    {"pid", process_pid},     {"wait", process_wait},   {"kill", process_kill},
    {"alive", process_alive}, {"close", process_close}, {NULL, NULL},
};

static const luaL_Reg process_meta[] = {
    {"__close", process_close}, {"__gc", process_close}, {NULL, NULL}};

static const luaL_Reg no_methods[] = {{NULL, NULL}};
static const luaL_Reg run_meta[] = {
    {"__close", run_result_free}, {"__gc", run_result_free}, {NULL, NULL}};

void jf_sys_add_processes(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
    jf_bind_class(L, PROCESS, process_methods, process_meta);
    jf_bind_class(L, RUN, no_methods, run_meta);
}
