// SPDX-License-Identifier: Apache-2.0
//
// A serial port or a pty as a stream: raw, locked for this process (TIOCEXCL,
// and flock for openers with root's rights), its settings put back on close.
#ifndef JF_CONSOLE_TTY_H
#define JF_CONSOLE_TTY_H

#include <stdbool.h>

#include "base/error.h"
#include "console/stream.h"

enum jf_parity { JF_PARITY_NONE, JF_PARITY_EVEN, JF_PARITY_ODD };
enum jf_flow { JF_FLOW_NONE, JF_FLOW_RTSCTS, JF_FLOW_XONXOFF };

struct jf_line {
    int baudrate; // bits per second
    int bytesize; // 5 to 8
    enum jf_parity parity;
    int stopbits; // 1 or 2
    enum jf_flow flow;
    bool hang_up; // lower DTR on the last close (HUPCL), as the system does by default
};

// libserialport sets up what it knows; ptys and whatever else it refuses are set
// up by termios, where only the standard rates exist. JF_IO with EBUSY when
// another program has the port, JF_UNSUPPORTED when `path` is no terminal or
// cannot do what `line` asks for.
enum jf_code jf_tty_open(const char *path, const struct jf_line *line,
                         struct jf_stream **ret_stream, struct jf_error *err);

#endif
