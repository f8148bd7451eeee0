// SPDX-License-Identifier: Apache-2.0
//
// The last bytes of a text without end. Positions count from the very first byte
// and never go back. At most `limit` bytes are kept; what falls out unread is
// counted. The kept bytes always lie in one piece.
#ifndef JF_CONSOLE_WINDOW_H
#define JF_CONSOLE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jf_window {
    char *data; // 2 * limit bytes, so that moving costs each byte one copy
    size_t limit;
    uint64_t base;     // position of data[0]
    uint64_t begin;    // of the oldest byte kept
    uint64_t end;      // behind the newest
    uint64_t consumed; // behind the previous match; may be less than begin
    uint64_t dropped;  // bytes that fell out before they were consumed
};

// False when memory is out. `limit` is at least 1.
bool jf_window_open(struct jf_window *window, size_t limit);
// Accepts a zero-initialised window.
void jf_window_close(struct jf_window *window);

// Where the next bytes go: *ret_len, at least 1 and at most `limit`, of them.
char *jf_window_room(struct jf_window *window, size_t *ret_len);

// `len` bytes were put there. Nothing falls out yet: a match in them may still
// want what lies `limit` before it.
void jf_window_added(struct jf_window *window, size_t len);

// Lets go of what lies more than `limit` bytes before `position`.
void jf_window_trim(struct jf_window *window, uint64_t position);

// Everything before `position` has been read.
void jf_window_consume(struct jf_window *window, uint64_t position);

// The oldest unread position that is still kept.
uint64_t jf_window_unread(const struct jf_window *window);

// The byte at a kept position.
const char *jf_window_at(const struct jf_window *window, uint64_t position);

#endif
