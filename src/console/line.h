// SPDX-License-Identifier: Apache-2.0
//
// The settings of a serial line, and its modem lines.
#ifndef JF_CONSOLE_LINE_H
#define JF_CONSOLE_LINE_H

#include <stdbool.h>

enum jf_parity { JF_PARITY_NONE, JF_PARITY_EVEN, JF_PARITY_ODD, JF_PARITY_MARK, JF_PARITY_SPACE };
enum jf_flow { JF_FLOW_NONE, JF_FLOW_RTSCTS, JF_FLOW_XONXOFF, JF_FLOW_DTRDSR };

// What an output line does. The system raises both at an opening; "off" lowers the line
// right behind that. With flow control it says whether we can take more.
enum jf_signal { JF_SIGNAL_LEAVE, JF_SIGNAL_ON, JF_SIGNAL_OFF, JF_SIGNAL_FLOW_CONTROL };

// Whether XON and XOFF are sent (in: for what comes in) and obeyed (out).
enum jf_xon_xoff {
    JF_XON_XOFF_DISABLED,
    JF_XON_XOFF_IN = 1 << 0,
    JF_XON_XOFF_OUT = 1 << 1,
    JF_XON_XOFF_INOUT = JF_XON_XOFF_IN | JF_XON_XOFF_OUT,
};

struct jf_line {
    int baudrate; // bits per second
    int bytesize; // 5 to 8
    enum jf_parity parity;
    int stopbits; // 1 or 2
    enum jf_signal dtr;
    enum jf_signal rts;
    bool cts; // what we send waits for it
    bool dsr; // the same
    enum jf_xon_xoff xon_xoff;
    bool hang_up; // lower DTR on the last close (HUPCL), as the system does by default
};

// Makes the flow control that of `flow`, alone.
void jf_line_set_flow(struct jf_line *line, enum jf_flow flow);

// Bits of a set of modem lines: two that the host drives, four that it reads.
enum jf_modem {
    JF_MODEM_DTR = 1 << 0,
    JF_MODEM_RTS = 1 << 1,
    JF_MODEM_CTS = 1 << 2,
    JF_MODEM_DSR = 1 << 3,
    JF_MODEM_DCD = 1 << 4,
    JF_MODEM_RI = 1 << 5,
};

#define JF_MODEM_INPUTS ((unsigned)(JF_MODEM_CTS | JF_MODEM_DSR | JF_MODEM_DCD | JF_MODEM_RI))

// Which lines are known, and which of those are raised: sets of enum jf_modem.
struct jf_modem_state {
    unsigned known;
    unsigned raised;
};

#endif
