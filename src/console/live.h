// SPDX-License-Identifier: Apache-2.0
//
// A live terminal on a console: raw bytes go both ways between the board and a
// person. It is entered and left by turns: behind the escape byte the caller acts
// (a menu, another prompt) and enters it again. What the board says meanwhile is
// kept, up to a megabyte, and shown then. All functions are for the job's thread.
#ifndef JF_CONSOLE_LIVE_H
#define JF_CONSOLE_LIVE_H

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

struct jf_console;
struct jf_live;
struct jf_terminal;

struct jf_live_options {
    int input_fd;
    int output_fd;
    char escape;                  // the byte on the input that leaves it
    struct jf_terminal *terminal; // makes the input raw when that is a terminal
};

enum jf_live_end {
    JF_LIVE_ESCAPE,  // the escape byte came
    JF_LIVE_RESIZED, // the person's terminal has another size
    JF_LIVE_TIMEOUT, // the deadline passed
    JF_LIVE_EOF,     // the input ended, and the board has taken all of it
    JF_LIVE_CLOSED,  // the console hung up, or was closed
};

// From now on what the board says is kept for it. A console has at most one.
// Free with jf_live_close, before or after the console's own end.
enum jf_code jf_live_open(struct jf_console *console, const struct jf_live_options *options,
                          struct jf_live **ret_live, struct jf_error *err);

// Copies until one of the ends. The terminal stays raw afterwards: see jf_live_rest.
enum jf_code jf_live_run(struct jf_live *live, jf_deadline deadline, const struct jf_cancel *cancel,
                         enum jf_live_end *ret_end, struct jf_error *err);

// The next key that the person types, which is not sent. JF_CLOSED at the input's end.
enum jf_code jf_live_key(struct jf_live *live, jf_deadline deadline, const struct jf_cancel *cancel,
                         char *ret_key, struct jf_error *err);

// Gives the person's terminal its own modes back until the next run or key.
void jf_live_rest(struct jf_live *live);

// Accepts NULL.
void jf_live_close(struct jf_live *live);

// For a console that ends while it has a live terminal.
void jf_live_forget(struct jf_live *live);

#endif
