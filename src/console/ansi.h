// SPDX-License-Identifier: Apache-2.0
//
// Makes console output plain: drops escape sequences (ECMA-48's 7-bit forms: CSI,
// OSC, DCS and the like, and the short ones of the VT100) and carriage returns.
// Nothing is applied: a cursor movement moves nothing, a backspace stays.
//
// Noise must not make it swallow a prompt for good, so every sequence is bounded,
// and a control character ends a string that was never closed.
#ifndef JF_CONSOLE_ANSI_H
#define JF_CONSOLE_ANSI_H

#include <stddef.h>

enum jf_ansi_state {
    JF_ANSI_TEXT,
    JF_ANSI_ESCAPE,  // after ESC, and its intermediate bytes
    JF_ANSI_CONTROL, // inside CSI
    JF_ANSI_STRING,  // inside OSC, DCS, SOS, PM or APC
};

// Where the stream stands; zero-initialise it. Sequences may be cut anywhere.
struct jf_ansi {
    enum jf_ansi_state state;
    unsigned length; // bytes of the sequence so far
};

// Cleans `len` bytes into `clean`, which has room for as many and does not
// overlap. Returns how many it wrote.
size_t jf_ansi_clean(struct jf_ansi *ansi, const char *raw, size_t len, char *clean);

#endif
