// SPDX-License-Identifier: Apache-2.0
//
// What a hard exit would leave behind ("power of board x is on"). The job's
// thread keeps the list, the main thread prints it when a second signal ends
// the process without unwinding.
#ifndef JF_BASE_NOTES_H
#define JF_BASE_NOTES_H

#include <stdbool.h>

struct jf_notes;

// NULL when memory is out. Free with jf_notes_free, which accepts NULL.
struct jf_notes *jf_notes_new(void);
void jf_notes_free(struct jf_notes *notes);

// Sets the note `key` to `text`, or removes it when `text` is NULL. False when
// memory is out.
bool jf_notes_set(struct jf_notes *notes, const char *key, const char *text);

// Writes the notes to `fd`, one a line, each behind `prefix`. Takes the lock
// only if it is free within a moment: the holder may be the thread that hangs.
void jf_notes_write(struct jf_notes *notes, int fd, const char *prefix);

#endif
