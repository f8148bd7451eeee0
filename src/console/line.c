// SPDX-License-Identifier: Apache-2.0
//
// A console's modem lines and line settings.
#include "console/internal.h"

static enum jf_code named(const struct jf_console *console, enum jf_code code, const char *what,
                          struct jf_error *err) {
    if (code != JF_OK && err)
        jf_prefix(err, "%s: %s", console->name, what);
    return code;
}

enum jf_code jf_console_set_modem(struct jf_console *console, unsigned mask, unsigned values,
                                  const struct jf_cancel *cancel, struct jf_error *err) {
    enum jf_code code = jf_stream_set_modem(console->stream, mask, values, cancel, err);
    return named(console, code, "modem lines", err);
}

enum jf_code jf_console_get_modem(struct jf_console *console, struct jf_modem_state *ret_state,
                                  const struct jf_cancel *cancel, struct jf_error *err) {
    enum jf_code code = jf_stream_get_modem(console->stream, ret_state, cancel, err);
    return named(console, code, "modem lines", err);
}

enum jf_code jf_console_set_line(struct jf_console *console, const struct jf_line *line,
                                 const struct jf_cancel *cancel, struct jf_error *err) {
    enum jf_code code = jf_stream_set_line(console->stream, line, cancel, err);
    if (code == JF_OK)
        console->line = *line;
    return named(console, code, "line settings", err);
}

struct jf_line jf_console_line(const struct jf_console *console) {
    return console->line;
}

static enum jf_signal without_flow_control(enum jf_signal signal) {
    return signal == JF_SIGNAL_FLOW_CONTROL ? JF_SIGNAL_LEAVE : signal;
}

void jf_line_set_flow(struct jf_line *line, enum jf_flow flow) {
    line->rts = flow == JF_FLOW_RTSCTS ? JF_SIGNAL_FLOW_CONTROL : without_flow_control(line->rts);
    line->dtr = flow == JF_FLOW_DTRDSR ? JF_SIGNAL_FLOW_CONTROL : without_flow_control(line->dtr);
    line->cts = flow == JF_FLOW_RTSCTS;
    line->dsr = flow == JF_FLOW_DTRDSR;
    line->xon_xoff = flow == JF_FLOW_XONXOFF ? JF_XON_XOFF_INOUT : JF_XON_XOFF_DISABLED;
}
