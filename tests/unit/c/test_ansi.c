// SPDX-License-Identifier: Apache-2.0
//
// The filter: a table of raw and clean text, each case whole and cut everywhere.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "console/ansi.h"

#define CASE(raw, clean)                                                                           \
    { raw, sizeof raw - 1, clean, sizeof clean - 1 }

static const struct {
    const char *raw;
    size_t raw_len;
    const char *clean;
    size_t clean_len;
} cases[] = {
    CASE("", ""),
    CASE("plain\ntext\t\b", "plain\ntext\t\b"),
    CASE("a\r\nb\rc\r\r\n", "a\nbc\n"),
    CASE("a\0b\0", "a\0b\0"),
    CASE("\x80\xff\x9b"
         "31m",
         "\x80\xff\x9b"
         "31m"), // C1 controls clash with UTF-8
    CASE("\x1b[31mred\x1b[0m", "red"),
    CASE("~ # \x1b[6n", "~ # "),
    CASE("\x1b[?25l\x1b[1;2;3 qx", "x"),
    CASE("\x1b]0;title\x07x", "x"),
    CASE("\x1b]0;t\xc3\xa4tle\x1b\\x", "x"),
    CASE("\x1bPq#0\x1b\\x\x1b_apc\x1b\\y\x1b^pm\x1b\\z\x1bXsos\x1b\\!", "xyz!"),
    CASE("\x1b(Ba\x1b)0b\x1b#8c\x1b%Gd", "abcd"),
    CASE("\x1b"
         "7a\x1b"
         "8b\x1b"
         "cc\x1b=d\x1bMe",
         "abcde"),
    CASE("\x1b\x1b[1mx", "x"),
    CASE("\x1b[3\x1b[1mx", "x"),
    CASE("\x1b[3\x18x\x1b[3\x1ay", "xy"),
    CASE("\x1b[3\n1mx", "\nx"), // a control character inside is obeyed
    CASE("\x1b[3\r1mx", "x"),
    CASE("\x1b]0;never closed\nU-Boot", "\nU-Boot"), // noise does not swallow what follows
    CASE("\x1b[12\xe4=> ", "\xe4=> "),
    CASE("\x1b\xe4=> ", "\xe4=> "),
    CASE("\x1b\n=> ", "\n> "),
    CASE("\x1b[\x7f"
         "1mx",
         "x"),
    CASE("text\x1b", "text"),
    CASE("text\x1b[", "text"),
};

static void check(size_t i, const char *clean, size_t len) {
    assert_int_equal(len, cases[i].clean_len);
    assert_memory_equal(clean, cases[i].clean, len);
}

static void cleans_whole_and_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t cut = 0; cut <= cases[i].raw_len; cut++) {
            struct jf_ansi ansi = {0};
            char clean[128];
            size_t len = jf_ansi_clean(&ansi, cases[i].raw, cut, clean);
            len += jf_ansi_clean(&ansi, cases[i].raw + cut, cases[i].raw_len - cut, clean + len);
            check(i, clean, len);
        }
    }
}

static void cleans_byte_by_byte(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jf_ansi ansi = {0};
        char clean[128];
        size_t len = 0;
        for (size_t at = 0; at < cases[i].raw_len; at++)
            len += jf_ansi_clean(&ansi, cases[i].raw + at, 1, clean + len);
        check(i, clean, len);
    }
}

// Whatever noise opens a sequence, it takes a bounded number of bytes away.
static void bounds_sequences(void **state) {
    (void)state;
    static const char *const openings[] = {"\x1b[", "\x1b]", "\x1bP", "\x1b(", "\x1b_"};
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
        struct jf_ansi ansi = {0};
        char digits[4096];
        char clean[4096];
        memset(digits, '!', sizeof digits); // an intermediate byte: ends nothing
        assert_int_equal(jf_ansi_clean(&ansi, openings[i], 2, clean), 0);
        assert_true(jf_ansi_clean(&ansi, digits, sizeof digits, clean) > 3000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleans_whole_and_cut),
        cmocka_unit_test(cleans_byte_by_byte),
        cmocka_unit_test(bounds_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
