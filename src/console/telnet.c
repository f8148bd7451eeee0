// SPDX-License-Identifier: Apache-2.0
#include "console/telnet.h"

enum { SE = 240, SB = 250, WILL = 251, WONT = 252, DO = 253, DONT = 254, IAC = 255 };

enum state { DATA, COMMAND, OPTION, SUB, SUB_COMMAND };

static uint64_t bit(uint8_t option) {
    return option < 64 ? (uint64_t)1 << option : 0;
}

// What we would do ourselves, and what the other side may do. Our data is never
// echoed by us.
static bool may_be_ours(const struct jf_telnet *telnet, uint8_t option) {
    return option == JF_TELNET_BINARY || option == JF_TELNET_SGA ||
           (option == JF_TELNET_COM_PORT && telnet->has_com_port);
}

static bool may_be_theirs(uint8_t option) {
    return option == JF_TELNET_BINARY || option == JF_TELNET_SGA || option == JF_TELNET_ECHO;
}

static bool answer(struct jf_telnet *telnet, uint8_t verb, uint8_t option) {
    const uint8_t bytes[] = {IAC, verb, option};
    return telnet->answers.len < JF_TELNET_ANSWERS_MAX &&
           jf_buf_add(&telnet->answers, bytes, sizeof bytes);
}

bool jf_telnet_start(struct jf_telnet *telnet, bool has_com_port) {
    telnet->has_com_port = has_com_port;
    telnet->asked = bit(JF_TELNET_BINARY) | bit(JF_TELNET_SGA);
    telnet->wanted = telnet->asked;
    bool ok = answer(telnet, WILL, JF_TELNET_BINARY) && answer(telnet, DO, JF_TELNET_BINARY) &&
              answer(telnet, WILL, JF_TELNET_SGA) && answer(telnet, DO, JF_TELNET_SGA);
    if (ok && has_com_port) {
        telnet->asked |= bit(JF_TELNET_COM_PORT);
        ok = answer(telnet, WILL, JF_TELNET_COM_PORT);
    }
    return ok;
}

void jf_telnet_free(struct jf_telnet *telnet) {
    jf_buf_free(&telnet->answers);
}

// One side's end of an option: `yes` and `no` are what we answer a change with.
// `open` holds a request of ours, to which this is the answer.
static void change(struct jf_telnet *telnet, uint8_t option, bool on, uint64_t *state,
                   uint64_t *open, uint8_t reply) {
    uint64_t mask = bit(option);
    bool was_asked = *open & mask;
    bool was_on = *state & mask;
    *open &= ~mask;
    *state = on ? *state | mask : *state & ~mask;
    if (was_on != on && !was_asked)
        answer(telnet, reply, option);
}

static void take_option(struct jf_telnet *telnet, uint8_t verb, uint8_t option) {
    switch (verb) {
    case DO:
        if (may_be_ours(telnet, option))
            change(telnet, option, true, &telnet->ours, &telnet->asked, WILL);
        else
            answer(telnet, WONT, option);
        break;
    case DONT:
        if (telnet->asked & bit(option))
            telnet->declined |= bit(option);
        change(telnet, option, false, &telnet->ours, &telnet->asked, WONT);
        break;
    case WILL:
        if (may_be_theirs(option))
            change(telnet, option, true, &telnet->theirs, &telnet->wanted, DO);
        else
            answer(telnet, DONT, option);
        break;
    default:
        change(telnet, option, false, &telnet->theirs, &telnet->wanted, DONT);
    }
}

static void add_sub(struct jf_telnet *telnet, uint8_t byte) {
    if (telnet->sub_len < JF_TELNET_SUB_MAX)
        telnet->sub[telnet->sub_len++] = byte;
}

static void end_sub(struct jf_telnet *telnet) {
    if (telnet->on_sub && telnet->sub_len > 0)
        telnet->on_sub(telnet->context, telnet->sub[0], telnet->sub + 1, telnet->sub_len - 1);
}

static void take_command(struct jf_telnet *telnet, uint8_t byte) {
    telnet->state = DATA;
    if (byte == SB) {
        telnet->sub_len = 0;
        telnet->state = SUB;
    } else if (byte >= WILL && byte <= DONT) {
        telnet->verb = byte;
        telnet->state = OPTION;
    }
}

// A command inside of a subnegotiation that is not its end: RFC 855 knows none, so
// it is what the lost end was meant to be followed by.
static void take_sub_command(struct jf_telnet *telnet, uint8_t byte) {
    telnet->state = SUB;
    if (byte == IAC) {
        add_sub(telnet, byte);
    } else if (byte == SE) {
        telnet->state = DATA;
        end_sub(telnet);
    } else {
        take_command(telnet, byte);
    }
}

// A carriage return of a network virtual terminal is followed by a line feed or by
// a zero byte, which means nothing (RFC 854).
static bool is_padding(struct jf_telnet *telnet, uint8_t byte) {
    bool padding = byte == 0 && telnet->after_cr && !(telnet->theirs & bit(JF_TELNET_BINARY));
    telnet->after_cr = byte == '\r';
    return padding;
}

// True when the byte is data.
static bool take_byte(struct jf_telnet *telnet, uint8_t byte) {
    switch ((enum state)telnet->state) {
    case DATA:
        if (byte != IAC)
            return !is_padding(telnet, byte);
        telnet->state = COMMAND;
        return false;
    case COMMAND:
        if (byte == IAC) {
            telnet->state = DATA;
            telnet->after_cr = false;
            return true;
        }
        take_command(telnet, byte);
        return false;
    case OPTION:
        telnet->state = DATA;
        take_option(telnet, telnet->verb, byte);
        return false;
    case SUB:
        if (byte == IAC)
            telnet->state = SUB_COMMAND;
        else
            add_sub(telnet, byte);
        return false;
    case SUB_COMMAND:
        take_sub_command(telnet, byte);
        return false;
    }
    return false;
}

size_t jf_telnet_take(struct jf_telnet *telnet, uint8_t *bytes, size_t len) {
    size_t kept = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = bytes[i];
        if (take_byte(telnet, byte))
            bytes[kept++] = byte;
    }
    return kept;
}

size_t jf_telnet_encode(const struct jf_telnet *telnet, uint8_t byte, int next, uint8_t out[2]) {
    out[0] = byte;
    if (byte == IAC) {
        out[1] = IAC;
        return 2;
    }
    if (byte == '\r' && next != '\n' && !jf_telnet_is_ours(telnet, JF_TELNET_BINARY)) {
        out[1] = 0;
        return 2;
    }
    return 1;
}

bool jf_telnet_add_sub(struct jf_telnet *telnet, uint8_t option, const uint8_t *bytes, size_t len) {
    const uint8_t head[] = {IAC, SB, option};
    const uint8_t tail[] = {IAC, SE};
    const uint8_t iac = IAC;
    bool ok = jf_buf_add(&telnet->answers, head, sizeof head);
    for (size_t i = 0; ok && i < len; i++)
        ok = jf_buf_add(&telnet->answers, &bytes[i], 1) &&
             (bytes[i] != IAC || jf_buf_add(&telnet->answers, &iac, 1));
    return ok && jf_buf_add(&telnet->answers, tail, sizeof tail);
}

bool jf_telnet_is_ours(const struct jf_telnet *telnet, enum jf_telnet_option option) {
    return telnet->ours & bit((uint8_t)option);
}

bool jf_telnet_is_declined(const struct jf_telnet *telnet, enum jf_telnet_option option) {
    return telnet->declined & bit((uint8_t)option);
}
