// SPDX-License-Identifier: Apache-2.0
//
// A board's console. A thread of its own reads at all times, also when no one
// waits, so that the board is never held up; `expect` then finds what came. All
// functions are for the job's thread. Messages begin with the console's name.
#ifndef JF_CONSOLE_CONSOLE_H
#define JF_CONSOLE_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/redact.h"
#include "console/inbox.h"
#include "console/pattern.h"
#include "console/tty.h"

struct jf_console;

#define JF_CONSOLE_MIN_WINDOW 8192

struct jf_console_options {
    const char *name;             // for messages; NULL: made from `where`
    size_t window_bytes;          // of text kept, at least JF_CONSOLE_MIN_WINDOW
    struct jf_line line;          // for terminals
    struct jf_redactor *redactor; // must outlive the console
};

// `where` is "unix:PATH", "tcp:HOST:PORT" (raw), "telnet:HOST:PORT",
// "rfc2217:HOST:PORT" (also as a URL), "exec:COMMAND", or the path of a terminal.
// Free with jf_console_close.
enum jf_code jf_console_open(const char *where, const struct jf_console_options *options,
                             jf_deadline deadline, const struct jf_cancel *cancel,
                             struct jf_console **ret_console, struct jf_error *err);

// Ends the thread and the transcript and puts the terminal's settings back. Lasts
// at most about a second. Accepts NULL.
void jf_console_close(struct jf_console *console);

// What to expect: `count` patterns, of which the last `fail_count` stand for
// failures (messages do not name them).
struct jf_expectation {
    const struct jf_pattern *patterns;
    size_t count;
    size_t fail_count;
};

// Waits for the first match behind the previous one and consumes the text up to
// its end. JF_TIMEOUT and JF_CANCELLED consume nothing; JF_CLOSED and JF_IO come
// only when nothing in what was received matches; JF_LIMIT when an expression
// costs too much; JF_PROTOCOL for a faulty pattern. The caller zero-initialises
// *ret_match and clears it (jf_match_clear) in every case.
enum jf_code jf_console_expect(struct jf_console *console, const struct jf_expectation *expectation,
                               jf_deadline deadline, const struct jf_cancel *cancel,
                               struct jf_match *ret_match, struct jf_error *err);

// Sends all bytes, at most `cps` a second (0: as fast as the other side takes
// them). What was sent before a timeout stays sent.
enum jf_code jf_console_send(struct jf_console *console, const char *bytes, size_t len, double cps,
                             jf_deadline deadline, const struct jf_cancel *cancel,
                             struct jf_error *err);

// Holds the line in the break condition. JF_UNSUPPORTED on a socket.
enum jf_code jf_console_send_break(struct jf_console *console, double seconds,
                                   const struct jf_cancel *cancel, struct jf_error *err);

// The modem lines and the settings of the line, as jf_stream_type (console/stream.h)
// has them. JF_UNSUPPORTED where there are none.
enum jf_code jf_console_set_modem(struct jf_console *console, unsigned mask, unsigned values,
                                  const struct jf_cancel *cancel, struct jf_error *err);
enum jf_code jf_console_get_modem(struct jf_console *console, struct jf_modem_state *ret_state,
                                  const struct jf_cancel *cancel, struct jf_error *err);
enum jf_code jf_console_set_line(struct jf_console *console, const struct jf_line *line,
                                 const struct jf_cancel *cancel, struct jf_error *err);

// The settings it was opened with or that were made since.
struct jf_line jf_console_line(const struct jf_console *console);

// Forgets what came so far, also what the system and an RFC 2217 server hold ready: only
// what comes from now on will match.
void jf_console_discard(struct jf_console *console, const struct jf_cancel *cancel);

// Appends the last `max` bytes of text, read or not; or all text not yet read.
// False when memory is out.
bool jf_console_tail(struct jf_console *console, size_t max, struct jf_buf *out);
bool jf_console_pending(struct jf_console *console, struct jf_buf *out);

// Starts the record of every byte in the file `path`, behind what is in it; ends an
// earlier one. NULL only ends it.
enum jf_code jf_console_transcript(struct jf_console *console, const char *path,
                                   struct jf_error *err);

// Also shows what is received on the descriptor `fd`, redacted; -1 ends it. What
// the descriptor does not take at once is lost.
void jf_console_echo(struct jf_console *console, int fd);

struct jf_console_stats {
    uint64_t received_bytes; // raw
    uint64_t sent_bytes;
    uint64_t dropped_bytes;     // of text, that left the window unread
    struct jf_error transcript; // its first failure; code JF_OK when there was none
};
struct jf_console_stats jf_console_stats(struct jf_console *console);

#endif
