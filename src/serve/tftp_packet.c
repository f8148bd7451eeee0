// SPDX-License-Identifier: Apache-2.0
#include "serve/tftp_packet.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool jf_tftp_refuse(struct jf_tftp_refusal *refusal, enum jf_tftp_error_code code,
                    const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(refusal->text, sizeof refusal->text, format, args);
    va_end(args);
    refusal->code = code;
    return false;
}

unsigned jf_tftp_packet_opcode(const uint8_t *packet, size_t len) {
    return len < 2 ? 0 : (unsigned)(packet[0] << 8 | packet[1]);
}

uint16_t jf_tftp_packet_block(const uint8_t *packet) {
    return (uint16_t)(packet[2] << 8 | packet[3]);
}

const char *jf_tftp_plain_name(const char *name) {
    for (;;) {
        if (name[0] == '/')
            name += 1;
        else if (name[0] == '.' && name[1] == '/')
            name += 2;
        else
            return name;
    }
}

// The strings of a request, one after the other, each ended by its NUL.
struct strings {
    const char *at;
    const char *end;
};

// The next string, or NULL when there is none or its NUL is missing.
static const char *next_string(struct strings *strings) {
    size_t left = (size_t)(strings->end - strings->at);
    const char *string = strings->at;
    const char *nul = left > 0 ? memchr(string, '\0', left) : NULL;
    if (!nul)
        return NULL;
    strings->at = nul + 1;
    return string;
}

static bool parse_number(const char *text, uint64_t *ret_value) {
    uint64_t value = 0;
    if (!*text || strlen(text) > 18) // 18 digits always fit
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *ret_value = value;
    return true;
}

static struct jf_tftp_option *option_named(struct jf_tftp_request *request, const char *name) {
    if (strcasecmp(name, "blksize") == 0)
        return &request->blksize;
    if (strcasecmp(name, "timeout") == 0)
        return &request->timeout;
    if (strcasecmp(name, "tsize") == 0)
        return &request->tsize;
    if (strcasecmp(name, "windowsize") == 0)
        return &request->windowsize;
    return NULL;
}

static bool parse_option(struct jf_tftp_request *request, const char *name, const char *value,
                         struct jf_tftp_refusal *refusal) {
    struct jf_tftp_option *option = option_named(request, name);
    if (!option)
        return true;
    if (option->present)
        return jf_tftp_refuse(refusal, JF_TFTP_BAD_OPTION, "option given twice");
    if (!parse_number(value, &option->value))
        return jf_tftp_refuse(refusal, JF_TFTP_BAD_OPTION, "option value is not a number");
    option->present = true;
    return true;
}

static bool check_options(const struct jf_tftp_request *request, struct jf_tftp_refusal *refusal) {
    if (request->blksize.present && request->blksize.value < JF_TFTP_BLKSIZE_MIN)
        return jf_tftp_refuse(refusal, JF_TFTP_BAD_OPTION, "blksize must be at least %d",
                              JF_TFTP_BLKSIZE_MIN);
    if (request->windowsize.present && request->windowsize.value < 1)
        return jf_tftp_refuse(refusal, JF_TFTP_BAD_OPTION, "windowsize must be at least 1");
    return true;
}

static bool parse_mode(struct jf_tftp_request *request, const char *mode,
                       struct jf_tftp_refusal *refusal) {
    request->netascii = strcasecmp(mode, "netascii") == 0;
    if (request->netascii || strcasecmp(mode, "octet") == 0)
        return true;
    return jf_tftp_refuse(refusal, JF_TFTP_ILLEGAL, "mode must be octet or netascii");
}

bool jf_tftp_parse_request(const uint8_t *packet, size_t len, struct jf_tftp_request *ret_request,
                           struct jf_tftp_refusal *refusal) {
    unsigned opcode = jf_tftp_packet_opcode(packet, len);
    *ret_request = (struct jf_tftp_request){.write = opcode == JF_TFTP_WRQ};
    if (opcode != JF_TFTP_RRQ && opcode != JF_TFTP_WRQ)
        return jf_tftp_refuse(refusal, JF_TFTP_ILLEGAL, "not a request");

    struct strings strings = {(const char *)packet + 2, (const char *)packet + len};
    const char *name = next_string(&strings);
    const char *mode = name ? next_string(&strings) : NULL;
    if (!mode)
        return jf_tftp_refuse(refusal, JF_TFTP_ILLEGAL, "request without name or mode");
    if (strlen(name) >= sizeof ret_request->name)
        return jf_tftp_refuse(refusal, JF_TFTP_ILLEGAL, "file name is too long");
    snprintf(ret_request->name, sizeof ret_request->name, "%s", jf_tftp_plain_name(name));
    if (!parse_mode(ret_request, mode, refusal))
        return false;

    // Some clients pad the request: what is no name and value pair ends the list.
    const char *option;
    const char *value;
    while ((option = next_string(&strings)) && (value = next_string(&strings))) {
        if (!parse_option(ret_request, option, value, refusal))
            return false;
    }
    return check_options(ret_request, refusal);
}

void jf_tftp_describe_error(const uint8_t *packet, size_t len, char *ret_text, size_t size) {
    char text[JF_TFTP_TEXT_SIZE];
    size_t used = 0;
    for (size_t i = JF_TFTP_HEADER; i < len && packet[i] && used + 1 < sizeof text; i++)
        text[used++] = isprint(packet[i]) ? (char)packet[i] : '?';
    text[used] = '\0';
    unsigned code = len >= JF_TFTP_HEADER ? jf_tftp_packet_block(packet) : 0;
    snprintf(ret_text, size, "the client sent error %u: %s", code, text);
}

static void oack_add(struct jf_tftp_terms *terms, const char *name, uint64_t value) {
    if (terms->oack_len == 0)
        terms->oack_len = 2; // the opcode
    terms->oack[0] = 0;
    terms->oack[1] = JF_TFTP_OACK;
    char *at = (char *)terms->oack + terms->oack_len;
    int added =
        snprintf(at, sizeof terms->oack - terms->oack_len, "%s%c%" PRIu64, name, '\0', value);
    terms->oack_len += (size_t)added + 1;
}

static uint32_t at_most(uint64_t asked, uint32_t limit) {
    return asked < limit ? (uint32_t)asked : limit;
}

void jf_tftp_negotiate(const struct jf_tftp_request *request, const struct jf_tftp_limits *limits,
                       struct jf_tftp_terms *ret_terms) {
    *ret_terms = (struct jf_tftp_terms){.blksize = JF_TFTP_BLKSIZE, .windowsize = 1};
    if (request->blksize.present) {
        ret_terms->blksize = at_most(request->blksize.value, limits->blksize);
        oack_add(ret_terms, "blksize", ret_terms->blksize);
    }
    // RFC 2349: accepted as it is, or not mentioned.
    if (request->timeout.present && request->timeout.value >= 1 && request->timeout.value <= 255) {
        ret_terms->timeout_s = (uint32_t)request->timeout.value;
        oack_add(ret_terms, "timeout", ret_terms->timeout_s);
    }
    if (request->tsize.present && request->write)
        oack_add(ret_terms, "tsize", request->tsize.value);
    else if (request->tsize.present && limits->size_known)
        oack_add(ret_terms, "tsize", limits->size);
    if (request->windowsize.present) {
        ret_terms->windowsize = at_most(request->windowsize.value, limits->windowsize);
        oack_add(ret_terms, "windowsize", ret_terms->windowsize);
    }
}

size_t jf_tftp_put_header(uint8_t header[JF_TFTP_HEADER], enum jf_tftp_opcode opcode,
                          uint64_t block) {
    header[0] = 0;
    header[1] = (uint8_t)opcode;
    header[2] = (uint8_t)(block >> 8); // the number rolls over to 0 after 65535
    header[3] = (uint8_t)block;
    return JF_TFTP_HEADER;
}

size_t jf_tftp_put_error(uint8_t packet[JF_TFTP_REPLY_SIZE],
                         const struct jf_tftp_refusal *refusal) {
    jf_tftp_put_header(packet, JF_TFTP_ERROR, refusal->code);
    size_t len = strlen(refusal->text);
    memcpy(packet + JF_TFTP_HEADER, refusal->text, len + 1);
    return JF_TFTP_HEADER + len + 1;
}
