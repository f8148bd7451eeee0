// SPDX-License-Identifier: Apache-2.0
//
// Bytes made fit for a line of text.
#ifndef JF_CONSOLE_ESCAPE_H
#define JF_CONSOLE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

// Appends the bytes with control characters and backslashes as \n, \r, \t, \e,
// \\ and \xNN; it can be undone. False when memory is out.
bool jf_escape(struct jf_buf *out, const char *bytes, size_t len);

// Appends the last lines of `text`, escaped, in at most `max` bytes, without the
// line ends behind the last one. False when memory is out.
bool jf_escape_tail(struct jf_buf *out, const char *text, size_t len, size_t max);

#endif
