// SPDX-License-Identifier: Apache-2.0
//
// Requests as bytes: good and bad ones, and what is granted for their options.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/tftp_packet.h"

// A row of a table says only what matters in it.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define BYTES(text) (text), sizeof(text) - 1 // the literal's own NUL is not part

struct request_case {
    const char *bytes;
    size_t len;
    int refused; // error code, or -1
    const char *name;
    bool write, netascii;
    int64_t blksize, timeout, tsize, windowsize; // -1: absent
};

static const struct request_case request_cases[] = {
    {BYTES("\0\1a\0octet\0"), -1, "a", false, false, -1, -1, -1, -1},
    {BYTES("\0\2a\0OcTeT\0"), -1, "a", true, false, -1, -1, -1, -1},
    {BYTES("\0\1a\0netascii\0"), -1, "a", false, true, -1, -1, -1, -1},
    {BYTES("\0\1/a/b\0octet\0"), -1, "a/b", false, false, -1, -1, -1, -1},
    {BYTES("\0\1././//a\0octet\0"), -1, "a", false, false, -1, -1, -1, -1},
    {BYTES("\0\1../a\0octet\0"), -1, "../a", false, false, -1, -1, -1, -1},
    {BYTES("\0\1\0octet\0"), -1, "", false, false, -1, -1, -1, -1},
    {BYTES("\0\1a\0octet\0timeout\0005\0blksize\0001468\0"), -1, "a", false, false, 1468, 5, -1,
     -1},
    {BYTES("\0\1a\0octet\0TSIZE\0000\0WindowSize\00016\0"), -1, "a", false, false, -1, -1, 0, 16},
    {BYTES("\0\1a\0octet\0unknown\0x\0blksize\0008\0"), -1, "a", false, false, 8, -1, -1, -1},
    {BYTES("\0\1a\0octet\0blksize\00099999999999\0"), -1, "a", false, false, 99999999999, -1, -1,
     -1},
    {BYTES("\0\1a\0octet\0\0\0\0"), -1, "a", false, false, -1, -1, -1, -1},         // padded
    {BYTES("\0\1a\0octet\0blksize\000512"), -1, "a", false, false, -1, -1, -1, -1}, // no NUL
    {BYTES("\0\1a\0octet\0blksize\0"), -1, "a", false, false, -1, -1, -1, -1},      // no value
    {BYTES("\0\1a\0octet\0blksize\0007\0"), JF_TFTP_BAD_OPTION},
    {BYTES("\0\1a\0octet\0blksize\0\0"), JF_TFTP_BAD_OPTION},
    {BYTES("\0\1a\0octet\0blksize\000-1\0"), JF_TFTP_BAD_OPTION},
    {BYTES("\0\1a\0octet\0blksize\0001e3\0"), JF_TFTP_BAD_OPTION},
    {BYTES("\0\1a\0octet\0blksize\0009999999999999999999\0"), JF_TFTP_BAD_OPTION},
    {BYTES("\0\1a\0octet\0windowsize\0000\0"), JF_TFTP_BAD_OPTION},
    {BYTES("\0\1a\0octet\0tsize\0001\0tsize\0001\0"), JF_TFTP_BAD_OPTION},
    {BYTES("\0\1a\0mail\0"), JF_TFTP_ILLEGAL},
    {BYTES("\0\1a\0octet"), JF_TFTP_ILLEGAL},
    {BYTES("\0\1a\0"), JF_TFTP_ILLEGAL},
    {BYTES("\0\1a"), JF_TFTP_ILLEGAL},
    {BYTES("\0\1"), JF_TFTP_ILLEGAL},
    {BYTES("\0\3a\0octet\0"), JF_TFTP_ILLEGAL},
    {BYTES("\0"), JF_TFTP_ILLEGAL},
    {BYTES(""), JF_TFTP_ILLEGAL},
};

static void check_option(struct jf_tftp_option option, int64_t expected) {
    assert_int_equal(option.present, expected >= 0);
    if (expected >= 0)
        assert_int_equal(option.value, expected);
}

static void test_requests(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof request_cases / sizeof *request_cases; i++) {
        const struct request_case *c = &request_cases[i];
        struct jf_tftp_request request;
        struct jf_tftp_refusal refusal;
        // An exact copy: the sanitizer sees a read behind the packet.
        uint8_t *packet = malloc(c->len ? c->len : 1);
        memcpy(packet, c->bytes, c->len);
        bool good = jf_tftp_parse_request(packet, c->len, &request, &refusal);
        free(packet);
        print_message("case %zu\n", i);
        assert_int_equal(good ? -1 : (int)refusal.code, c->refused);
        if (!good)
            continue;
        assert_string_equal(request.name, c->name);
        assert_int_equal(request.write, c->write);
        assert_int_equal(request.netascii, c->netascii);
        check_option(request.blksize, c->blksize);
        check_option(request.timeout, c->timeout);
        check_option(request.tsize, c->tsize);
        check_option(request.windowsize, c->windowsize);
    }
}

static void test_name_too_long(void **state) {
    (void)state;
    uint8_t packet[300] = {0, JF_TFTP_RRQ};
    struct jf_tftp_request request;
    struct jf_tftp_refusal refusal;
    for (size_t len = 255; len <= 256; len++) {
        memset(packet + 2, 'x', len);
        memcpy(packet + 2 + len, "\0octet", 7);
        bool good = jf_tftp_parse_request(packet, 2 + len + 7, &request, &refusal);
        assert_int_equal(good, len == 255);
    }
    assert_int_equal(refusal.code, JF_TFTP_ILLEGAL);
}

struct terms_case {
    const char *options;
    size_t len;
    struct jf_tftp_limits limits;
    uint32_t blksize, windowsize, timeout_s;
    const char *oack;
    size_t oack_len;
};

static const struct terms_case terms_cases[] = {
    {BYTES(""), {1468, 64, true, 9}, 512, 1, 0, BYTES("")},
    {BYTES("blksize\0001468\0"), {1468, 64, true, 9}, 1468, 1, 0, BYTES("\0\6blksize\0001468\0")},
    {BYTES("blksize\00065464\0"), {1468, 64, true, 9}, 1468, 1, 0, BYTES("\0\6blksize\0001468\0")},
    {BYTES("blksize\000400\0"), {1468, 64, true, 9}, 400, 1, 0, BYTES("\0\6blksize\000400\0")},
    {BYTES("tsize\0000\0"),
     {1468, 64, true, 4294967296},
     512,
     1,
     0,
     BYTES("\0\6tsize\0004294967296\0")},
    {BYTES("tsize\0000\0"), {1468, 64, false, 9}, 512, 1, 0, BYTES("")},
    {BYTES("timeout\0005\0"), {1468, 64, true, 9}, 512, 1, 5, BYTES("\0\6timeout\0005\0")},
    {BYTES("timeout\0000\0"), {1468, 64, true, 9}, 512, 1, 0, BYTES("")},
    {BYTES("timeout\000256\0"), {1468, 64, true, 9}, 512, 1, 0, BYTES("")},
    {BYTES("windowsize\0008\0"), {1468, 64, true, 9}, 512, 8, 0, BYTES("\0\6windowsize\0008\0")},
    {BYTES("windowsize\00065535\0"),
     {1468, 64, true, 9},
     512,
     64,
     0,
     BYTES("\0\6windowsize\00064\0")},
};

static void test_negotiation(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof terms_cases / sizeof *terms_cases; i++) {
        const struct terms_case *c = &terms_cases[i];
        uint8_t packet[256] = "\0\1a\0octet";
        struct jf_tftp_request request;
        struct jf_tftp_refusal refusal;
        struct jf_tftp_terms terms;
        memcpy(packet + 10, c->options, c->len);
        assert_true(jf_tftp_parse_request(packet, 10 + c->len, &request, &refusal));
        jf_tftp_negotiate(&request, &c->limits, &terms);
        print_message("case %zu\n", i);
        assert_int_equal(terms.blksize, c->blksize);
        assert_int_equal(terms.windowsize, c->windowsize);
        assert_int_equal(terms.timeout_s, c->timeout_s);
        assert_int_equal(terms.oack_len, c->oack_len);
        assert_memory_equal(terms.oack, c->oack, c->oack_len);
    }
}

static void test_answers(void **state) {
    (void)state;
    uint8_t packet[JF_TFTP_REPLY_SIZE];
    struct jf_tftp_refusal refusal;
    jf_tftp_refuse(&refusal, JF_TFTP_NOT_FOUND, "file %s not found", "x");
    size_t len = jf_tftp_put_error(packet, &refusal);
    assert_int_equal(len, 21);
    assert_memory_equal(packet, "\0\5\0\1file x not found", 21);
    jf_tftp_put_header(packet, JF_TFTP_DATA, 65536 * 3 + 258);
    assert_memory_equal(packet, "\0\3\1\2", 4);

    char text[64];
    jf_tftp_describe_error((const uint8_t *)"\0\5\0\3full\33[2J", 12, text, sizeof text);
    assert_string_equal(text, "the client sent error 3: full?[2J");
    jf_tftp_describe_error((const uint8_t *)"\0\5", 2, text, sizeof text);
    assert_string_equal(text, "the client sent error 0: ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_name_too_long),
        cmocka_unit_test(test_negotiation),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
