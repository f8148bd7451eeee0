// SPDX-License-Identifier: Apache-2.0
//
// The telnet protocol (RFC 854, 855) without any input or output: it takes the
// commands out of what came, answers option requests, and doubles IAC in what
// goes out. Of the options it knows BINARY (856), ECHO (857) and SUPPRESS-GO-AHEAD
// (858), and COM-PORT (2217) where the caller wants it; the rest is refused. Only a
// change is answered (RFC 1143), so that two sides never answer each other for ever.
#ifndef JF_CONSOLE_TELNET_H
#define JF_CONSOLE_TELNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum jf_telnet_option {
    JF_TELNET_BINARY = 0,
    JF_TELNET_ECHO = 1,
    JF_TELNET_SGA = 3,
    JF_TELNET_COM_PORT = 44,
};

// Of a subnegotiation longer than this the rest is left out.
#define JF_TELNET_SUB_MAX 64

// Answers beyond this wait for nobody: the peer does not read them.
#define JF_TELNET_ANSWERS_MAX 4096

struct jf_telnet {
    bool has_com_port; // the COM-PORT option is spoken
    // A subnegotiation of `option` has come; may be NULL.
    void (*on_sub)(void *context, uint8_t option, const uint8_t *bytes, size_t len);
    void *context;

    struct jf_buf answers; // to be sent; the caller drops what it has sent

    // The rest is telnet.c's.
    uint8_t state;
    uint8_t verb;
    bool after_cr;     // of what is received
    uint64_t ours;     // bit per option below 64: we do it
    uint64_t theirs;   // they do it
    uint64_t asked;    // our WILL is not answered yet
    uint64_t wanted;   // our DO is not answered yet
    uint64_t declined; // they said no to our WILL
    size_t sub_len;
    uint8_t sub[JF_TELNET_SUB_MAX];
};

// Asks for what makes the connection transparent: puts the requests into `answers`.
// False when memory is out.
bool jf_telnet_start(struct jf_telnet *telnet, bool has_com_port);
void jf_telnet_free(struct jf_telnet *telnet);

// Takes the commands out of `bytes`, in place; returns how many bytes of data are
// left. Answers are put into `answers`.
size_t jf_telnet_take(struct jf_telnet *telnet, uint8_t *bytes, size_t len);

// Encodes one byte of data; `next` is the one behind it, or -1. Returns the number
// of bytes in `out`.
size_t jf_telnet_encode(const struct jf_telnet *telnet, uint8_t byte, int next, uint8_t out[2]);

// Appends a subnegotiation to `answers`. False when memory is out.
bool jf_telnet_add_sub(struct jf_telnet *telnet, uint8_t option, const uint8_t *bytes, size_t len);

// Whether the option is agreed on for our side, and whether it was refused.
bool jf_telnet_is_ours(const struct jf_telnet *telnet, enum jf_telnet_option option);
bool jf_telnet_is_declined(const struct jf_telnet *telnet, enum jf_telnet_option option);

#endif
