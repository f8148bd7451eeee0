// SPDX-License-Identifier: Apache-2.0
#include "console/termios_line.h"

#include <errno.h>
#include <stddef.h>
#include <termios.h>

static const struct rate {
    int baudrate;
    speed_t speed;
} rates[] = {
    {1200, B1200},       {2400, B2400},       {4800, B4800},       {9600, B9600},
    {19200, B19200},     {38400, B38400},     {57600, B57600},     {115200, B115200},
    {230400, B230400},   {460800, B460800},   {500000, B500000},   {576000, B576000},
    {921600, B921600},   {1000000, B1000000}, {1152000, B1152000}, {1500000, B1500000},
    {2000000, B2000000}, {2500000, B2500000}, {3000000, B3000000}, {3500000, B3500000},
    {4000000, B4000000},
};

static const struct rate *find_rate(int baudrate) {
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        if (rates[i].baudrate == baudrate)
            return &rates[i];
    }
    return NULL;
}

static tcflag_t size_flag(int bytesize) {
    switch (bytesize) {
    case 5:
        return CS5;
    case 6:
        return CS6;
    case 7:
        return CS7;
    default:
        return CS8;
    }
}

static void set_flags(struct termios *settings, const struct jf_line *line) {
    cfmakeraw(settings);
    settings->c_cflag &= ~(tcflag_t)(CSIZE | PARENB | PARODD | CMSPAR | CSTOPB | CRTSCTS);
    settings->c_cflag |= CLOCAL | CREAD | size_flag(line->bytesize);
    if (line->parity != JF_PARITY_NONE)
        settings->c_cflag |= PARENB;
    if (line->parity == JF_PARITY_ODD || line->parity == JF_PARITY_MARK)
        settings->c_cflag |= PARODD;
    if (line->parity == JF_PARITY_MARK || line->parity == JF_PARITY_SPACE)
        settings->c_cflag |= CMSPAR; // the parity bit stays as PARODD has it
    if (line->stopbits == 2)
        settings->c_cflag |= CSTOPB;
    settings->c_cc[VMIN] = 1;
    settings->c_cc[VTIME] = 0;
}

enum jf_code jf_termios_set_flow(struct termios *settings, const struct jf_line *line,
                                 struct jf_error *err) {
    bool by_rts = line->rts == JF_SIGNAL_FLOW_CONTROL;
    if (line->dtr == JF_SIGNAL_FLOW_CONTROL || line->dsr)
        return jf_fail(err, JF_UNSUPPORTED, "the system has no flow control by DTR and DSR");
    if (by_rts != line->cts)
        return jf_fail(err, JF_UNSUPPORTED,
                       "the system has flow control by RTS and CTS together only");
    settings->c_cflag &= ~(tcflag_t)CRTSCTS;
    settings->c_iflag &= ~(tcflag_t)(IXON | IXOFF | IXANY | CRTSCTS);
    settings->c_cflag |= line->cts ? CRTSCTS : 0;
    settings->c_iflag |= line->xon_xoff & JF_XON_XOFF_IN ? IXOFF : 0;
    settings->c_iflag |= line->xon_xoff & JF_XON_XOFF_OUT ? IXON : 0;
    return JF_OK;
}

enum jf_code jf_termios_apply(int fd, const struct jf_line *line, struct jf_error *err) {
    struct termios settings;
    if (tcgetattr(fd, &settings) != 0)
        return errno == ENOTTY ? jf_fail(err, JF_UNSUPPORTED, "not a terminal")
                               : jf_fail_errno(err, errno, "terminal settings");
    const struct rate *rate = find_rate(line->baudrate);
    if (!rate)
        return jf_fail(err, JF_UNSUPPORTED, "%d baud is no standard rate", line->baudrate);
    set_flags(&settings, line);
    enum jf_code code = jf_termios_set_flow(&settings, line, err);
    if (code != JF_OK)
        return code;
    cfsetspeed(&settings, rate->speed);
    if (tcsetattr(fd, TCSANOW, &settings) != 0)
        return jf_fail_errno(err, errno, "terminal settings");
    return JF_OK;
}
