// SPDX-License-Identifier: Apache-2.0
//
// The person's terminal: raw mode for a live console, its restoration from any
// thread when the process ends hard, and its size.
#ifndef JF_SYS_TERMINAL_H
#define JF_SYS_TERMINAL_H

#include <stdbool.h>

#include "base/error.h"

struct jf_terminal;

// NULL when memory is out. jf_terminal_free restores first; it accepts NULL.
struct jf_terminal *jf_terminal_new(void);
void jf_terminal_free(struct jf_terminal *terminal);

// Puts the terminal behind `fd` into raw mode; JF_UNSUPPORTED when `fd` is none.
enum jf_code jf_terminal_raw(struct jf_terminal *terminal, int fd, struct jf_error *err);

// Remembers the modes of `fd` for a library that changes them itself;
// JF_UNSUPPORTED when `fd` is no terminal.
enum jf_code jf_terminal_keep(struct jf_terminal *terminal, int fd, struct jf_error *err);

// Puts the modes back that jf_terminal_raw or jf_terminal_keep found; does nothing
// when neither was called. Safe from any thread.
void jf_terminal_restore(struct jf_terminal *terminal);

// Columns of the terminal behind `fd`; 0 when it is none.
int jf_terminal_columns(int fd);

struct jf_terminal_size {
    int columns;
    int rows;
};

// Both are 0 when `fd` is no terminal, or one that has no size.
struct jf_terminal_size jf_terminal_size(int fd);

// SIGWINCH must be blocked in all threads: jf_terminal_block_size, called by the
// first, sees to that.
void jf_terminal_block_size(void);

// A descriptor that is readable once the size has changed, -1 when the system
// refuses one; and what makes it wait for the next change.
int jf_terminal_watch_size(void);
void jf_terminal_take_resize(int watch_fd);

#endif
