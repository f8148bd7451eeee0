// SPDX-License-Identifier: Apache-2.0
//
// Filter, window and matcher together: which pattern wins, what `before` holds,
// and that neither depends on how the bytes were cut.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console/inbox.h"

#define MAX_PATTERNS 6

static void add_in_pieces(struct jf_inbox *inbox, const char *raw, size_t len, size_t piece) {
    while (len > 0) {
        size_t now = len < piece ? len : piece;
        size_t used = jf_inbox_add(inbox, raw, now);
        raw += used;
        len -= used;
    }
}

static struct jf_matcher *compile(const char *const *texts, struct jf_pattern *patterns) {
    size_t count = 0;
    for (; texts[count]; count++)
        patterns[count] = (struct jf_pattern){texts[count], strlen(texts[count])};
    struct jf_matcher *matcher = NULL;
    struct jf_error err = {0};
    if (jf_matcher_new(patterns, count, &matcher, &err) != JF_OK)
        fail_msg("%s", err.message);
    return matcher;
}

static const struct {
    const char *received;
    const char *patterns[MAX_PATTERNS + 1];
    int index; // -1: no match
    const char *before;
    const char *text;
} cases[] = {
    {"U-Boot\r\n=> ", {"=> "}, 0, "U-Boot\n", "=> "},
    {"a login: b => ", {"=> ", "login:"}, 1, "a ", "login:"},
    {"a => login:", {"=> ", "login:"}, 0, "a ", "=> "},
    // The one that ends first, not the one that begins first.
    {"xx long text yy", {"long text", "ong"}, 1, "xx l", "ong"},
    // The longest of those that end together, then the first listed.
    {"the login:", {"login:", "the login:", "in:"}, 1, "", "the login:"},
    {"the login:", {"n:", "login:", "login:"}, 1, "the ", "login:"},
    // A false start must not lose the true one.
    {"====> ", {"=> "}, 0, "===", "=> "},
    {"ababac", {"abac"}, 0, "ab", "abac"},
    {"aaab", {"aab", "ab"}, 0, "a", "aab"},
    {"abcabd", {"abcabe", "cab", "bd"}, 1, "ab", "cab"},
    {"pan\x1b[0mic", {"panic"}, 0, "", "panic"},
    {"nothing", {"=> "}, -1, NULL, NULL},
    {"\x01\x02\x03", {"\x02"}, 0, "\x01", "\x02"},
    {"ver 12.5 ok\n", {"re:\\d+\\.\\d+ "}, 0, "ver ", "12.5 "},
    {"a\nprompt> x", {"re:^prompt> "}, 0, "a\n", "prompt> "},
    {"a prompt> x", {"re:^prompt> "}, -1, NULL, NULL},
    {"first prompt", {"re:\\Afirst"}, 0, "", "first"},
    {"end of line\nx", {"re:line$"}, 0, "end of ", "line"},
    // Where a read ends is no end of a line.
    {"end of line", {"re:line$"}, -1, NULL, NULL},
    {"=> and login:", {"re:log.n:", "=> "}, 1, "", "=> "},
    {"login: and => ", {"re:log.n:", "=> "}, 0, "", "login:"},
    {"abc", {"re:b", "ab"}, 1, "", "ab"},
    {"xxx", {"re:y*"}, -1, NULL, NULL}, // an empty match is none
    {"=> re", {"re:re"}, 0, "=> ", "re"},
};

static void check_case(size_t i, size_t piece) {
    struct jf_pattern patterns[MAX_PATTERNS];
    struct jf_matcher *matcher = compile(cases[i].patterns, patterns);
    struct jf_inbox inbox;
    struct jf_match match = {0};
    assert_true(jf_inbox_open(&inbox, 8192));
    jf_inbox_wait(&inbox, matcher, &match);
    add_in_pieces(&inbox, cases[i].received, strlen(cases[i].received), piece);
    assert_int_equal(inbox.settled, cases[i].index >= 0);
    if (inbox.settled) {
        assert_int_equal(inbox.outcome, JF_OK);
        assert_int_equal(match.index, cases[i].index);
        assert_string_equal(match.before.data, cases[i].before);
        assert_string_equal(match.text.data, cases[i].text);
        assert_false(match.truncated);
    }
    jf_inbox_stop(&inbox);
    jf_matcher_free(matcher);
    jf_match_clear(&match);
    jf_inbox_close(&inbox);
}

static void finds_whatever_the_cuts(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t piece = 1; piece <= 20; piece++)
            check_case(i, piece);
    }
}

// The same cases with everything received before the wait begins.
static void finds_in_what_is_there(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jf_pattern patterns[MAX_PATTERNS];
        struct jf_matcher *matcher = compile(cases[i].patterns, patterns);
        struct jf_inbox inbox;
        struct jf_match match = {0};
        assert_true(jf_inbox_open(&inbox, 8192));
        add_in_pieces(&inbox, cases[i].received, strlen(cases[i].received), 100);
        jf_inbox_wait(&inbox, matcher, &match);
        assert_int_equal(inbox.settled, cases[i].index >= 0);
        if (inbox.settled)
            assert_int_equal(match.index, cases[i].index);
        jf_inbox_stop(&inbox);
        jf_matcher_free(matcher);
        jf_match_clear(&match);
        jf_inbox_close(&inbox);
    }
}

// Waits for one pattern; returns the match, or NULL when there is none yet.
static struct jf_match *next(struct jf_inbox *inbox, const char *text, struct jf_match *match) {
    const char *texts[] = {text, NULL};
    struct jf_pattern patterns[1];
    struct jf_matcher *matcher = compile(texts, patterns);
    jf_match_clear(match);
    jf_inbox_wait(inbox, matcher, match);
    bool found = inbox->settled && inbox->outcome == JF_OK;
    jf_inbox_stop(inbox);
    jf_matcher_free(matcher);
    return found ? match : NULL;
}

static void goes_on_behind_the_match(void **state) {
    (void)state;
    struct jf_inbox inbox;
    struct jf_match match = {0};
    assert_true(jf_inbox_open(&inbox, 8192));
    jf_inbox_add(&inbox, "one => two => thr", 17);
    assert_non_null(next(&inbox, "=> ", &match));
    assert_non_null(next(&inbox, "=> ", &match));
    assert_string_equal(match.before.data, "two ");
    assert_null(next(&inbox, "=> ", &match));
    assert_null(next(&inbox, "two", &match));
    jf_inbox_add(&inbox, "ee", 2);
    assert_non_null(next(&inbox, "three", &match));
    jf_inbox_add(&inbox, "old", 3);
    jf_inbox_discard(&inbox);
    assert_null(next(&inbox, "old", &match));
    jf_inbox_add(&inbox, "new", 3);
    assert_non_null(next(&inbox, "new", &match));
    assert_string_equal(match.before.data ? match.before.data : "", "");
    jf_match_clear(&match);
    jf_inbox_close(&inbox);
}

static void counts_what_overflows(void **state) {
    (void)state;
    enum { LIMIT = 8192, EXTRA = 1000 };
    static char noise[LIMIT + EXTRA];
    memset(noise, 'n', sizeof noise);
    for (size_t piece = 1; piece <= sizeof noise; piece = piece * 3 + 1) {
        struct jf_inbox inbox;
        struct jf_match match = {0};
        assert_true(jf_inbox_open(&inbox, LIMIT));
        add_in_pieces(&inbox, noise, sizeof noise, piece);
        assert_int_equal(inbox.window.dropped, EXTRA);
        jf_inbox_add(&inbox, "=> ", 3);
        assert_non_null(next(&inbox, "=> ", &match));
        assert_true(match.truncated);
        assert_int_equal(match.before.len, LIMIT - 3);
        assert_int_equal(inbox.window.dropped, EXTRA + 3);
        // What was read may fall out uncounted.
        add_in_pieces(&inbox, noise, LIMIT, piece);
        assert_int_equal(inbox.window.dropped, EXTRA + 3);
        jf_match_clear(&match);
        jf_inbox_close(&inbox);
    }
}

static void gives_groups(void **state) {
    (void)state;
    struct jf_inbox inbox;
    struct jf_match match = {0};
    assert_true(jf_inbox_open(&inbox, 8192));
    jf_inbox_add(&inbox, "size=0x1f ok", 12);
    assert_non_null(next(&inbox, "re:(\\w+)=(0x)?([0-9a-f]+)(k)?()", &match));
    assert_int_equal(match.capture_count, 5);
    assert_memory_equal(match.group_bytes.data + match.captures[0].start, "size", 4);
    assert_memory_equal(match.group_bytes.data + match.captures[2].start, "1f", 2);
    assert_false(match.captures[3].is_set);
    assert_true(match.captures[4].is_set);
    assert_int_equal(match.captures[4].len, 0);
    jf_match_clear(&match);
    jf_inbox_close(&inbox);
}

static void limits_expressions(void **state) {
    (void)state;
    struct jf_inbox inbox;
    struct jf_match match = {0};
    const char *texts[] = {"re:(a+)+$", NULL};
    struct jf_pattern patterns[1];
    struct jf_matcher *matcher = compile(texts, patterns);
    assert_true(jf_inbox_open(&inbox, 8192));
    jf_inbox_wait(&inbox, matcher, &match);
    jf_inbox_add(&inbox, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 41);
    assert_true(inbox.settled);
    assert_int_equal(inbox.outcome, JF_LIMIT);
    jf_inbox_stop(&inbox);
    jf_matcher_free(matcher);
    jf_match_clear(&match);
    jf_inbox_close(&inbox);
}

// An expression sees the last 4 KiB, whatever was read at once.
static void shows_expressions_the_end(void **state) {
    (void)state;
    static char noise[6000];
    memset(noise, '.', sizeof noise);
    memcpy(noise, "begin", 5);
    for (size_t piece = 1; piece <= sizeof noise; piece = piece * 7 + 1) {
        struct jf_inbox inbox;
        struct jf_match match = {0};
        assert_true(jf_inbox_open(&inbox, 65536));
        add_in_pieces(&inbox, noise, sizeof noise, piece);
        jf_inbox_add(&inbox, "end", 3);
        assert_null(next(&inbox, "re:begin[^x]*end", &match));
        assert_non_null(next(&inbox, "re:[.]{2000}end", &match));
        assert_int_equal(match.before.len, 4000);
        jf_match_clear(&match);
        jf_inbox_close(&inbox);
    }
}

static void ends(void **state) {
    (void)state;
    struct jf_inbox inbox;
    struct jf_match match = {0};
    struct jf_error why = {.code = JF_CLOSED, .message = "gone"};
    assert_true(jf_inbox_open(&inbox, 8192));
    jf_inbox_add(&inbox, "last line", 9);
    jf_inbox_end(&inbox, &why);
    assert_non_null(next(&inbox, "last", &match));
    assert_non_null(next(&inbox, "re:line$", &match)); // now it is the end
    const char *texts[] = {"more", NULL};
    struct jf_pattern patterns[1];
    struct jf_matcher *matcher = compile(texts, patterns);
    jf_inbox_wait(&inbox, matcher, &match);
    assert_int_equal(inbox.outcome, JF_CLOSED);
    assert_string_equal(inbox.error.message, "gone");
    jf_inbox_stop(&inbox);
    jf_matcher_free(matcher);
    jf_match_clear(&match);
    jf_inbox_close(&inbox);
}

static void refuses_faulty_patterns(void **state) {
    (void)state;
    static char huge[9000];
    memset(huge, 'x', sizeof huge - 1);
    const struct {
        const char *text;
        enum jf_code code;
        const char *message;
    } faulty[] = {
        {"", JF_PROTOCOL, "pattern 1 is empty"},
        {"re:", JF_PROTOCOL, "pattern 1 is empty"},
        {"re:(", JF_PROTOCOL, "pattern \"re:(\": missing closing parenthesis at offset 1"},
        {"re:(*UTF8)x", JF_PROTOCOL, NULL},
        {huge, JF_LIMIT, "plain patterns of more than 8192 bytes together"},
    };
    for (size_t i = 0; i < sizeof faulty / sizeof *faulty; i++) {
        struct jf_pattern pattern = {faulty[i].text, strlen(faulty[i].text)};
        struct jf_matcher *matcher = NULL;
        struct jf_error err;
        assert_int_equal(jf_matcher_new(&pattern, 1, &matcher, &err), faulty[i].code);
        assert_null(matcher);
        if (faulty[i].message)
            assert_string_equal(err.message, faulty[i].message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_whatever_the_cuts),
        cmocka_unit_test(finds_in_what_is_there),
        cmocka_unit_test(goes_on_behind_the_match),
        cmocka_unit_test(counts_what_overflows),
        cmocka_unit_test(gives_groups),
        cmocka_unit_test(limits_expressions),
        cmocka_unit_test(shows_expressions_the_end),
        cmocka_unit_test(ends),
        cmocka_unit_test(refuses_faulty_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
