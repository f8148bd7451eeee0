// SPDX-License-Identifier: Apache-2.0
//
// A serial port or a pty as a stream: raw, locked for this process (TIOCEXCL,
// and flock for openers with root's rights), its settings put back on close.
#ifndef JF_CONSOLE_TTY_H
#define JF_CONSOLE_TTY_H

#include <limits.h>

#include "base/error.h"
#include "console/line.h"
#include "console/stream.h"

// libserialport sets up what it knows; ptys and whatever else it refuses are set
// up by termios, where only the standard rates exist. JF_IO with EBUSY when
// another program has the port, JF_UNSUPPORTED when `path` is no terminal or
// cannot do what `line` asks for.
// `path` may be any name that jf_device_find knows.
enum jf_code jf_tty_open(const char *path, const struct jf_line *line,
                         struct jf_stream **ret_stream, struct jf_error *err);

// The node of the terminal that `path` means now (/dev/ttyUSB0). JF_IO when there is
// none, or more than one; JF_UNSUPPORTED when it is another kind of console.
enum jf_code jf_tty_find(const char *path, char ret_node[PATH_MAX], struct jf_error *err);

#endif
