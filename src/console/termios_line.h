// SPDX-License-Identifier: Apache-2.0
//
// Line settings by termios, for terminals that libserialport does not take.
#ifndef JF_CONSOLE_TERMIOS_LINE_H
#define JF_CONSOLE_TERMIOS_LINE_H

#include <termios.h>

#include "base/error.h"
#include "console/line.h"

// Makes `fd` raw with the settings of `line`. JF_UNSUPPORTED for a rate that
// termios has no name for, or when `fd` is no terminal.
enum jf_code jf_termios_apply(int fd, const struct jf_line *line, struct jf_error *err);

// Only the flow control of `line`. JF_UNSUPPORTED for what the system cannot do.
enum jf_code jf_termios_set_flow(struct termios *settings, const struct jf_line *line,
                                 struct jf_error *err);

#endif
