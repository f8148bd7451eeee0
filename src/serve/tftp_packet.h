// SPDX-License-Identifier: Apache-2.0
//
// TFTP packets as bytes (RFC 1350, options by RFC 2347): reading requests,
// negotiating their options, building answers. Pure: no I/O, no clock, no
// allocation.
#ifndef JF_SERVE_TFTP_PACKET_H
#define JF_SERVE_TFTP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum jf_tftp_opcode {
    JF_TFTP_RRQ = 1,
    JF_TFTP_WRQ = 2,
    JF_TFTP_DATA = 3,
    JF_TFTP_ACK = 4,
    JF_TFTP_ERROR = 5,
    JF_TFTP_OACK = 6,
};

enum jf_tftp_error_code {
    JF_TFTP_UNDEFINED = 0,
    JF_TFTP_NOT_FOUND = 1,
    JF_TFTP_ACCESS = 2,
    JF_TFTP_FULL = 3,
    JF_TFTP_ILLEGAL = 4,
    JF_TFTP_UNKNOWN_TID = 5,
    JF_TFTP_EXISTS = 6,
    JF_TFTP_BAD_OPTION = 8,
};

#define JF_TFTP_HEADER 4       // opcode and block number
#define JF_TFTP_NAME_SIZE 256  // of a file name, with its NUL
#define JF_TFTP_TEXT_SIZE 200  // of an error's message, with its NUL
#define JF_TFTP_REPLY_SIZE 512 // holds any OACK, ACK or ERROR
#define JF_TFTP_BLKSIZE 512    // without the option
#define JF_TFTP_BLKSIZE_MIN 8  // RFC 2348
#define JF_TFTP_BLKSIZE_MAX 65464

// Why a request is refused: what goes into the ERROR packet.
struct jf_tftp_refusal {
    enum jf_tftp_error_code code;
    char text[JF_TFTP_TEXT_SIZE];
};

// Fills `refusal` and returns false, for `return jf_tftp_refuse(…)`.
bool jf_tftp_refuse(struct jf_tftp_refusal *refusal, enum jf_tftp_error_code code,
                    const char *format, ...) __attribute__((format(printf, 3, 4)));

struct jf_tftp_option {
    bool present;
    uint64_t value;
};

struct jf_tftp_request {
    bool write;
    bool netascii;
    char name[JF_TFTP_NAME_SIZE]; // without leading "/" and "./"
    struct jf_tftp_option blksize, timeout, tsize, windowsize;
};

// The opcode of a datagram; 0 when it is too short to have one.
unsigned jf_tftp_packet_opcode(const uint8_t *packet, size_t len);

// The block number of an ACK or DATA; `len` must be at least JF_TFTP_HEADER.
uint16_t jf_tftp_packet_block(const uint8_t *packet);

// Reads an RRQ or WRQ. False, with the reason, when it breaks the protocol.
// Options this program does not know are left out, as RFC 2347 wants.
bool jf_tftp_parse_request(const uint8_t *packet, size_t len, struct jf_tftp_request *ret_request,
                           struct jf_tftp_refusal *refusal);

// The text of an ERROR packet as one printable line, with its code.
void jf_tftp_describe_error(const uint8_t *packet, size_t len, char *ret_text, size_t size);

// `name` without leading "/" and "./": names are keys of a table, never paths.
const char *jf_tftp_plain_name(const char *name);

// What the server is willing to grant.
struct jf_tftp_limits {
    uint32_t blksize;    // the largest block
    uint32_t windowsize; // the largest window, at least 1
    bool size_known;     // a read: `size` may be told
    uint64_t size;       // bytes
};

// What was agreed. Block size and window have their defaults when not asked for.
struct jf_tftp_terms {
    uint32_t blksize;
    uint32_t windowsize;
    uint32_t timeout_s; // 0 when not asked for
    uint8_t oack[JF_TFTP_REPLY_SIZE];
    size_t oack_len; // 0: no option was accepted, no OACK is sent
};

void jf_tftp_negotiate(const struct jf_tftp_request *request, const struct jf_tftp_limits *limits,
                       struct jf_tftp_terms *ret_terms);

// Write a packet's header, an ACK, an ERROR; return the length written.
size_t jf_tftp_put_header(uint8_t header[JF_TFTP_HEADER], enum jf_tftp_opcode opcode,
                          uint64_t block);
size_t jf_tftp_put_error(uint8_t packet[JF_TFTP_REPLY_SIZE], const struct jf_tftp_refusal *refusal);

#endif
