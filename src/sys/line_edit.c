// SPDX-License-Identifier: Apache-2.0
#include "sys/line_edit.h"

#include <dlfcn.h>
#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "base/wait.h"
#include "sys/terminal.h"

#define LIBRARY "libedit.so.2"
#define COMPLETE "jflash-complete"
#define HISTORY_LINES 1000

// What is used of the library.
struct library {
    void *handle;
    EditLine *(*init)(const char *, FILE *, FILE *, FILE *);
    void (*end)(EditLine *);
    int (*set)(EditLine *, int, ...);
    int (*set_wide)(EditLine *, int, ...);
    const char *(*gets)(EditLine *, int *);
    const LineInfo *(*line)(EditLine *);
    int (*insertstr)(EditLine *, const char *);
    void (*resize)(EditLine *);
    History *(*history_init)(void);
    void (*history_end)(History *);
    int (*history)(History *, HistEvent *, int, ...);
};

struct jf_line_edit {
    struct library lib;
    struct jf_line_edit_options options;
    locale_t locale; // so that what is typed may be UTF-8
    EditLine *editor;
    History *history;
    const char *prompt;             // of the read under way
    const struct jf_cancel *cancel; // of the read under way
    enum jf_code code;              // why the read under way has ended
    struct jf_error reason;
};

static bool find(void *handle, const char *name, void *ret_function) {
    void *address = dlsym(handle, name);
    // ISO C knows no conversion between the two kinds of pointers.
    memcpy(ret_function, &address, sizeof address);
    return address != NULL;
}

// False when the library is not there, or another one than is known here.
static bool load(struct library *lib) {
    // Never unloaded: what it knows of the terminal is kept for the next editor.
    lib->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!lib->handle)
        return false;
    bool complete = find(lib->handle, "el_init", &lib->init);
    complete = find(lib->handle, "el_end", &lib->end) && complete;
    complete = find(lib->handle, "el_set", &lib->set) && complete;
    complete = find(lib->handle, "el_wset", &lib->set_wide) && complete;
    complete = find(lib->handle, "el_gets", &lib->gets) && complete;
    complete = find(lib->handle, "el_line", &lib->line) && complete;
    complete = find(lib->handle, "el_insertstr", &lib->insertstr) && complete;
    complete = find(lib->handle, "el_resize", &lib->resize) && complete;
    complete = find(lib->handle, "history_init", &lib->history_init) && complete;
    complete = find(lib->handle, "history_end", &lib->history_end) && complete;
    return find(lib->handle, "history", &lib->history) && complete;
}

// The library hands its own object alone to what it calls. It is loaded, so this
// only looks a function up.
static struct jf_line_edit *edit_of(EditLine *editor) {
    int (*get)(EditLine *, int, ...);
    void *edit = NULL;
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_NOLOAD);
    if (handle && find(handle, "el_get", &get))
        get(editor, EL_CLIENTDATA, &edit);
    if (handle)
        dlclose(handle);
    return edit;
}

static char *show_prompt(EditLine *editor) {
    const struct jf_line_edit *edit = edit_of(editor);
    return (char *)(uintptr_t)edit->prompt;
}

// Ends the read under way.
static int give_up(struct jf_line_edit *edit, enum jf_code code) {
    edit->code = code;
    return code == JF_CLOSED ? 0 : -1;
}

// One byte of the input, waited for as everything is: up to the cancellation.
static enum jf_code read_byte(struct jf_line_edit *edit, char *ret_byte) {
    for (;;) {
        enum jf_code code = jf_wait_fd(STDIN_FILENO, POLLIN, JF_NEVER, edit->cancel, &edit->reason);
        if (code != JF_OK)
            return code;
        ssize_t got = read(STDIN_FILENO, ret_byte, 1);
        if (got == 1)
            return JF_OK;
        if (got == 0 || errno == EIO)
            return jf_fail(&edit->reason, JF_CLOSED, "the input ended");
        if (errno != EINTR && errno != EAGAIN)
            return jf_fail_errno(&edit->reason, errno, "terminal");
    }
}

// The library's reader of characters: 1, 0 at the end, -1 when the read is over.
static int read_character(EditLine *editor, wchar_t *ret_character) {
    struct jf_line_edit *edit = edit_of(editor);
    mbstate_t state = {0};
    for (;;) {
        char byte;
        enum jf_code code = read_byte(edit, &byte);
        if (code != JF_OK)
            return give_up(edit, code);
        size_t used = mbrtowc(ret_character, &byte, 1, &state);
        if (used <= 1)
            return 1;
        if (used == (size_t)-1)
            state = (mbstate_t){0}; // no character of this encoding: ignored
    }
}

static unsigned char complete(EditLine *editor, int key) {
    (void)key;
    struct jf_line_edit *edit = edit_of(editor);
    if (!edit->options.complete)
        return CC_NORM;
    const LineInfo *line = edit->lib.line(editor);
    struct jf_completion completion = {0};
    edit->options.complete(edit->options.context, line->buffer,
                           (size_t)(line->cursor - line->buffer), &completion);
    unsigned char next = CC_NORM;
    if (completion.list.len > 0) {
        printf("\n%.*s", (int)completion.list.len, completion.list.data);
        fflush(stdout);
        next = CC_REDISPLAY;
    } else if (completion.insert.len > 0 && jf_buf_add(&completion.insert, "", 1)) {
        edit->lib.insertstr(editor, completion.insert.data);
        next = CC_REFRESH;
    }
    jf_buf_free(&completion.insert);
    jf_buf_free(&completion.list);
    return next;
}

// What follows on this thread knows UTF-8, whatever the environment says. Returns what
// leave_utf8 puts back.
static locale_t enter_utf8(const struct jf_line_edit *edit) {
    return edit->locale ? uselocale(edit->locale) : (locale_t)0;
}

static void leave_utf8(locale_t outer) {
    if (outer)
        uselocale(outer);
}

static bool configure(struct jf_line_edit *edit) {
    struct library *lib = &edit->lib;
    HistEvent event;
    edit->editor = lib->init("jflash", stdin, stdout, stderr);
    edit->history = lib->history_init();
    if (!edit->editor || !edit->history)
        return false;
    lib->history(edit->history, &event, H_SETSIZE, HISTORY_LINES);
    lib->history(edit->history, &event, H_SETUNIQUE, 1);
    lib->set(edit->editor, EL_CLIENTDATA, edit);
    lib->set(edit->editor, EL_PROMPT, show_prompt);
    lib->set(edit->editor, EL_EDITOR, "emacs");
    lib->set(edit->editor, EL_SIGNAL, 0); // the main thread reads signals
    lib->set(edit->editor, EL_GETCFN, read_character);
    lib->set(edit->editor, EL_HIST, lib->history, edit->history);
    // Not by el_set, which never frees its copies of the two texts.
    lib->set_wide(edit->editor, EL_ADDFN, L"" COMPLETE, L"Complete a name", complete);
    lib->set(edit->editor, EL_BIND, "^I", COMPLETE, NULL);
    return true;
}

enum jf_code jf_line_edit_open(const struct jf_line_edit_options *options,
                               struct jf_line_edit **ret_edit, struct jf_error *err) {
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return jf_fail(err, JF_UNSUPPORTED, "line editing: not on a terminal");
    struct jf_line_edit *edit = calloc(1, sizeof *edit);
    if (!edit)
        return jf_fail(err, JF_LIMIT, "line editing: not enough memory");
    edit->options = *options;
    if (!load(&edit->lib)) {
        jf_line_edit_close(edit);
        return jf_fail(err, JF_UNSUPPORTED, "line editing: %s is not installed", LIBRARY);
    }
    edit->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    // The library's table of keys depends on it.
    locale_t outer = enter_utf8(edit);
    bool configured = configure(edit);
    leave_utf8(outer);
    if (!configured) {
        jf_line_edit_close(edit);
        return jf_fail(err, JF_UNSUPPORTED, "line editing: this terminal cannot do it");
    }
    *ret_edit = edit;
    return JF_OK;
}

// One line by the library; NULL when the read has ended otherwise.
static const char *edit_line(struct jf_line_edit *edit, const char *prompt,
                             const struct jf_cancel *cancel, int *ret_len) {
    edit->prompt = prompt;
    edit->cancel = cancel;
    edit->code = JF_OK;
    edit->lib.resize(edit->editor); // SIGWINCH is blocked
    // By itself it changes the modes behind the prompt: a key typed between the two
    // would still be the terminal's own, and a Ctrl-D lost.
    edit->lib.set(edit->editor, EL_PREP_TERM, 1);
    const char *text = edit->lib.gets(edit->editor, ret_len);
    return edit->code == JF_OK || edit->code == JF_CLOSED ? text : NULL;
}

enum jf_code jf_line_edit_read(struct jf_line_edit *edit, const char *prompt,
                               const struct jf_cancel *cancel, struct jf_buf *line,
                               struct jf_error *err) {
    enum jf_code code = jf_terminal_keep(edit->options.terminal, STDIN_FILENO, err);
    if (code != JF_OK)
        return code;
    int len = 0;
    locale_t outer = enter_utf8(edit);
    const char *text = edit_line(edit, prompt, cancel, &len);
    leave_utf8(outer);
    jf_terminal_restore(edit->options.terminal);
    if (!text && edit->code != JF_OK && edit->code != JF_CLOSED) {
        if (err)
            *err = edit->reason;
        return edit->code;
    }
    if (!text || len <= 0)
        return jf_fail(err, JF_CLOSED, "the input ended");
    size_t end = (size_t)len;
    if (text[end - 1] == '\n')
        end--;
    return jf_buf_add(line, text, end) ? JF_OK : jf_fail(err, JF_LIMIT, "not enough memory");
}

void jf_line_edit_remember(struct jf_line_edit *edit, const char *line) {
    HistEvent event;
    edit->lib.history(edit->history, &event, H_ENTER, line);
}

void jf_line_edit_close(struct jf_line_edit *edit) {
    if (!edit)
        return;
    if (edit->history)
        edit->lib.history_end(edit->history);
    if (edit->editor)
        edit->lib.end(edit->editor);
    if (edit->lib.handle)
        dlclose(edit->lib.handle);
    if (edit->locale)
        freelocale(edit->locale);
    free(edit);
}
