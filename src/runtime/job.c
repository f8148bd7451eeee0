// SPDX-License-Identifier: Apache-2.0
#include "runtime/job.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/notes.h"
#include "base/redact.h"
#include "base/wait.h"
#include "bind/bind.h"
#include "runtime/searcher.h"
#include "sys/terminal.h"

// Between two looks at the cancellation of a loop that never waits: well under a
// millisecond of Lua.
#define HOOK_INSTRUCTIONS 20000
#define STATUS_BUG 1

struct jf_job {
    struct jf_context context;
    struct jf_event done;
    pthread_t thread;
    int argc;
    char **argv;
    int status;
};

static void free_job(struct jf_job *job) {
    if (!job)
        return;
    jf_event_close(&job->done);
    jf_cancel_free(job->context.cancel);
    jf_redactor_free(job->context.redactor);
    jf_terminal_free(job->context.terminal);
    jf_notes_free(job->context.notes);
    free(job);
}

static struct jf_job *new_job(int argc, char **argv) {
    struct jf_job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    *job = (struct jf_job){
        .context = {.cancel = jf_cancel_new(),
                    .redactor = jf_redactor_new(),
                    .terminal = jf_terminal_new(),
                    .notes = jf_notes_new()},
        .done = {.fd = -1},
        .argc = argc,
        .argv = argv,
        .status = STATUS_BUG,
    };
    if (job->context.cancel && job->context.redactor && job->context.terminal &&
        job->context.notes && jf_event_open(&job->done, NULL) == JF_OK)
        return job;
    free_job(job);
    return NULL;
}

// Interrupts Lua code that never waits: once cancelled, or once a masked
// clean-up has overrun its deadline.
static void check_cancel(lua_State *L, lua_Debug *ar) {
    (void)ar;
    struct jf_error err;
    enum jf_code code = jf_cancel_interrupt(jf_bind_context(L)->cancel, &err);
    if (code == JF_OK)
        return;
    // The choreography turns this into its error object; see jflash.errors.
    lua_newtable(L);
    jf_set_string(L, "code", jf_code_name(code));
    jf_set_string(L, "message", err.message);
    luaL_setmetatable(L, "jflash.error");
    lua_error(L);
}

static int add_traceback(lua_State *L) {
    if (lua_type(L, 1) == LUA_TSTRING)
        luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

static void push_arguments(lua_State *L, const struct jf_job *job) {
    lua_newtable(L);
    for (int i = 0; i < job->argc; i++) {
        lua_pushstring(L, job->argv[i]);
        lua_rawseti(L, -2, i);
    }
}

// Runs in protected mode; leaves the exit status on the stack.
static int run_cli(lua_State *L) {
    const struct jf_job *job = lua_touserdata(L, 1);
    luaL_openlibs(L);
    jf_searcher_install(L);
    lua_sethook(L, check_cancel, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);

    lua_getglobal(L, "require");
    lua_pushliteral(L, "jflash.cli");
    lua_call(L, 1, 1); // cli
    lua_getfield(L, -1, "main");
    push_arguments(L, job);
    lua_call(L, 1, 1); // cli status
    return 1;
}

static int run_state(struct jf_job *job, lua_State *L) {
    jf_bind_set_context(L, &job->context);
    lua_pushcfunction(L, add_traceback);
    lua_pushcfunction(L, run_cli);
    lua_pushlightuserdata(L, job);
    if (lua_pcall(L, 1, 1, 1) != LUA_OK) {
        fprintf(stderr, "jflash: %s\n", luaL_tolstring(L, -1, NULL));
        return STATUS_BUG;
    }
    return (int)luaL_optinteger(L, -1, 0);
}

static void *job_thread(void *argument) {
    struct jf_job *job = argument;
    lua_State *L = luaL_newstate();
    if (L) {
        job->status = run_state(job, L);
        lua_close(L);
    } else {
        fputs("jflash: not enough memory\n", stderr);
    }
    jf_event_raise(&job->done);
    return NULL;
}

enum jf_code jf_job_start(int argc, char **argv, struct jf_shared *shared, struct jf_job **ret_job,
                          struct jf_error *err) {
    struct jf_job *job = new_job(argc, argv);
    if (!job)
        return jf_fail(err, JF_LIMIT, "not enough memory or descriptors");
    job->context.shared = shared;
    int failed = pthread_create(&job->thread, NULL, job_thread, job);
    if (failed) {
        free_job(job);
        return jf_fail_errno(err, failed, "thread");
    }
    *ret_job = job;
    return JF_OK;
}

int jf_job_done_fd(const struct jf_job *job) {
    return job->done.fd;
}

void jf_job_cancel(struct jf_job *job, int signal_number) {
    jf_cancel_request(job->context.cancel, signal_number);
}

bool jf_job_is_cancelled(const struct jf_job *job) {
    return jf_cancel_signal(job->context.cancel) != 0;
}

void jf_job_abandon(struct jf_job *job) {
    jf_terminal_restore(job->context.terminal);
    jf_notes_write(job->context.notes, STDERR_FILENO, "jflash: left on: ");
}

int jf_job_finish(struct jf_job *job) {
    pthread_join(job->thread, NULL);
    int status = job->status;
    free_job(job);
    return status;
}
