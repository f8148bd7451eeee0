// SPDX-License-Identifier: Apache-2.0
//
// What was received, from raw bytes to the match that is waited for: the filter
// (ansi.h), the window (window.h) and at most one matcher (matcher.h). Does no
// input or output and takes no lock.
#ifndef JF_CONSOLE_INBOX_H
#define JF_CONSOLE_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "console/ansi.h"
#include "console/matcher.h"
#include "console/window.h"

struct jf_capture {
    bool is_set;
    size_t start; // in jf_match.group_bytes
    size_t len;
};

// A match, copied out of the window. Zero-initialise it before use.
struct jf_match {
    size_t index;         // of the pattern, from 0
    struct jf_buf before; // since the previous match, as far as it was kept
    bool truncated;       // some of `before` was lost
    struct jf_buf text;   // what matched
    struct jf_buf group_bytes;
    struct jf_capture *captures;
    size_t capture_count;
};

// Frees the content, not the match itself.
void jf_match_clear(struct jf_match *match);

struct jf_inbox {
    struct jf_ansi ansi;
    struct jf_window window;
    bool ended;          // nothing will come any more
    struct jf_error end; // why
    // The wait in progress.
    struct jf_matcher *matcher; // NULL when nobody waits
    struct jf_match *match;
    bool settled; // the wait is over: `outcome` says how, `error` is filled unless JF_OK
    enum jf_code outcome;
    struct jf_error error;
};

// False when memory is out.
bool jf_inbox_open(struct jf_inbox *inbox, size_t window_bytes);
void jf_inbox_close(struct jf_inbox *inbox);

// Takes in the first of `len` raw bytes and returns how many, at least one.
size_t jf_inbox_add(struct jf_inbox *inbox, const char *raw, size_t len);

// Nothing will come any more, because of `why`.
void jf_inbox_end(struct jf_inbox *inbox, const struct jf_error *why);

// Starts a wait that fills `match`; it looks at what is there already. Both
// arguments stay the caller's and must live until jf_inbox_stop.
void jf_inbox_wait(struct jf_inbox *inbox, struct jf_matcher *matcher, struct jf_match *match);
void jf_inbox_stop(struct jf_inbox *inbox);

// Forgets what came so far: nothing of it will match.
void jf_inbox_discard(struct jf_inbox *inbox);

#endif
