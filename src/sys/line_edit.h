// SPDX-License-Identifier: Apache-2.0
//
// Lines typed at a prompt on the standard terminal, with editing, history and
// completion: libedit, which is loaded when the first editor is opened, so that
// nobody else pays for it. All functions are for the job's thread.
#ifndef JF_SYS_LINE_EDIT_H
#define JF_SYS_LINE_EDIT_H

#include <stddef.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/error.h"

struct jf_line_edit;
struct jf_terminal;

struct jf_completion {
    struct jf_buf insert; // goes in at the cursor
    struct jf_buf list;   // shown below the line: lines with their ends
};

// Fills *completion, which is empty, for the `cursor` bytes before the cursor.
typedef void jf_complete_fn(void *context, const char *line, size_t cursor,
                            struct jf_completion *completion);

struct jf_line_edit_options {
    struct jf_terminal *terminal; // its modes are restored after a hard exit
    jf_complete_fn *complete;     // NULL: none
    void *context;                // of `complete`
};

// JF_UNSUPPORTED when standard input or output is no terminal, or the library is
// missing. Free with jf_line_edit_close.
enum jf_code jf_line_edit_open(const struct jf_line_edit_options *options,
                               struct jf_line_edit **ret_edit, struct jf_error *err);

// Appends the line that the person enters, without its end, to `line`. JF_CLOSED at
// the end of the input (Ctrl-D on an empty line).
enum jf_code jf_line_edit_read(struct jf_line_edit *edit, const char *prompt,
                               const struct jf_cancel *cancel, struct jf_buf *line,
                               struct jf_error *err);

// Puts a line into the history that the arrow keys walk.
void jf_line_edit_remember(struct jf_line_edit *edit, const char *line);

// Accepts NULL.
void jf_line_edit_close(struct jf_line_edit *edit);

#endif
