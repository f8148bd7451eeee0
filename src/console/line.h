// SPDX-License-Identifier: Apache-2.0
//
// The settings of a serial line, and its modem lines.
#ifndef JF_CONSOLE_LINE_H
#define JF_CONSOLE_LINE_H

#include <stdbool.h>

enum jf_parity { JF_PARITY_NONE, JF_PARITY_EVEN, JF_PARITY_ODD, JF_PARITY_MARK, JF_PARITY_SPACE };
enum jf_flow { JF_FLOW_NONE, JF_FLOW_RTSCTS, JF_FLOW_XONXOFF, JF_FLOW_DTRDSR };

// What opening does to an output line. The system raises both; "off" lowers the line
// right behind that.
enum jf_signal { JF_SIGNAL_LEAVE, JF_SIGNAL_ON, JF_SIGNAL_OFF };

struct jf_line {
    int baudrate; // bits per second
    int bytesize; // 5 to 8
    enum jf_parity parity;
    int stopbits; // 1 or 2
    enum jf_flow flow;
    enum jf_signal dtr;
    enum jf_signal rts;
    bool hang_up; // lower DTR on the last close (HUPCL), as the system does by default
};

// Bits of a set of modem lines: two that the host drives, four that it reads.
enum jf_modem {
    JF_MODEM_DTR = 1 << 0,
    JF_MODEM_RTS = 1 << 1,
    JF_MODEM_CTS = 1 << 2,
    JF_MODEM_DSR = 1 << 3,
    JF_MODEM_DCD = 1 << 4,
    JF_MODEM_RI = 1 << 5,
};

#endif
