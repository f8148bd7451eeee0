// SPDX-License-Identifier: Apache-2.0
//
// The person's terminal: raw mode for a live console, and its restoration from
// any thread when the process ends hard.
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

// Undoes jf_terminal_raw; does nothing when that was not called. Safe from any
// thread.
void jf_terminal_restore(struct jf_terminal *terminal);

// Columns of the terminal behind `fd`; 0 when it is none.
int jf_terminal_columns(int fd);

#endif
