// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "registry/reference.h"

#define D "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HOST_TOO_LONG                                                                              \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aa."                                                                                          \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aa."                                                                                          \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aa"

struct example {
    const char *text;
    const char *full; // NULL: refused
};

static const struct example examples[] = {
    {"oci://quay.io/org/name:1.0", "oci://quay.io/org/name:1.0"},
    {"quay.io/org/name", "oci://quay.io/org/name:latest"},
    {"quay.io/org/name@" D, "oci://quay.io/org/name@" D},
    {"quay.io/org/name:tag@" D, "oci://quay.io/org/name:tag@" D},
    {"localhost/x", "oci://localhost/x:latest"},
    {"localhost:5000/x:y", "oci://localhost:5000/x:y"},
    {"127.0.0.1:5000/a/b/c", "oci://127.0.0.1:5000/a/b/c:latest"},
    {"[::1]:5000/x", "oci://[::1]:5000/x:latest"},
    {"Host/x", "oci://Host/x:latest"},
    // Docker Hub.
    {"alpine", "oci://docker.io/library/alpine:latest"},
    {"alpine:3", "oci://docker.io/library/alpine:3"},
    {"user/name", "oci://docker.io/user/name:latest"},
    {"docker.io/alpine", "oci://docker.io/library/alpine:latest"},
    {"index.docker.io/user/x", "oci://docker.io/user/x:latest"},
    {"oci://registry-1.docker.io/x", "oci://docker.io/library/x:latest"},
    // Names.
    {"a.b/c__d-e---f.g_h/1", "oci://a.b/c__d-e---f.g_h/1:latest"},
    {"a.b/C", NULL},
    {"a.b/c___d", NULL},
    {"a.b/c..d", NULL},
    {"a.b/-c", NULL},
    {"a.b/c-", NULL},
    {"a.b/c//d", NULL},
    {"a.b/c/", NULL},
    {"a.b/", NULL},
    {"/", "/"},
    {"a.b/c d", NULL},
    {"a.b/c\nd", NULL},
    {"a.b/\xc3\xa4", NULL},
    // Tags.
    {"a.b/c:_x.Y-9", "oci://a.b/c:_x.Y-9"},
    {"a.b/c:", NULL},
    {"a.b/c:.x", NULL},
    {"a.b/c:-x", NULL},
    {"a.b/c:x/y", NULL},
    {"a.b/c:x y", NULL},
    // Digests.
    {"a.b/c@", NULL},
    {"a.b/c@sha256:12", NULL},
    {"a.b/c@" D "0", NULL},
    {"a.b/c@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", NULL},
    {"a.b/c@md5:0123456789abcdef0123456789abcdef", NULL},
    {"a.b/c@x", NULL},
    // Hosts.
    {"a.b:0/c", NULL},
    {"a.b:65536/c", NULL},
    {"a.b:65535/c", "oci://a.b:65535/c:latest"},
    {"a.b:/c", NULL},
    {"a.b:x/c", NULL},
    {"-a.b/c", NULL},
    {"a-.b/c", NULL},
    {"a..b/c", NULL},
    {".a/c", NULL},
    {"a.b./c", NULL},
    {"a_b.c/d", NULL},
    {"user@a.b/c", NULL},
    {"[::g]/c", NULL},
    {"[]/c", NULL},
    {HOST_TOO_LONG "/c", NULL},
    // Other kinds.
    {"oci-layout:/dir", "oci-layout:/dir"},
    {"oci-layout:dir:tag", "oci-layout:dir:tag"},
    {"oci-layout:a:b/dir", "oci-layout:a:b/dir"},
    {"oci-layout:/dir@" D, "oci-layout:/dir@" D},
    {"oci-layout:", NULL},
    {"oci-layout::tag", NULL},
    {"./dir", "./dir"},
    {"..", ".."},
    {"~/dir", "~/dir"},
    {"/a:b/c", "/a:b/c"},
    // None.
    {"", NULL},
    {"oci://", NULL},
    {"oci:///x", NULL},
    {"https://a.b/c", NULL},
    {"docker://a.b/c", NULL},
};

static void reads_references(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct jf_reference reference;
        struct jf_error err = {0};
        char text[JF_REFERENCE_TEXT_SIZE];
        print_message("%s\n", examples[i].text);
        enum jf_code code = jf_reference_parse(examples[i].text, &reference, &err);
        assert_int_equal(code == JF_OK, examples[i].full != NULL);
        if (code != JF_OK) {
            assert_string_not_equal(err.message, "");
            assert_null(strchr(err.message, '\n'));
            continue;
        }
        jf_reference_text(&reference, text);
        assert_string_equal(text, examples[i].full);
    }
}

// A text of `count` characters between two others.
static enum jf_code parse_long(const char *before, size_t count, const char *after) {
    char text[1024];
    struct jf_reference reference;
    struct jf_error err;
    snprintf(
        text, sizeof text, "%s%.*s%s", before, (int)count,
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaa",
        after);
    return jf_reference_parse(text, &reference, &err);
}

static void has_limits(void **state) {
    (void)state;
    assert_int_equal(parse_long("a.b/", 255, ""), JF_OK);
    assert_int_equal(parse_long("a.b/", 256, ""), JF_PROTOCOL);
    assert_int_equal(parse_long("", 247, ""), JF_OK); // library/ belongs to the name
    assert_int_equal(parse_long("", 248, ""), JF_PROTOCOL);
    assert_int_equal(parse_long("a.b/c:", 128, ""), JF_OK);
    assert_int_equal(parse_long("a.b/c:", 129, ""), JF_PROTOCOL);
}

static void tells_other_algorithms(void **state) {
    (void)state;
    struct jf_error err;
    assert_int_equal(jf_oci_digest_check("sha512:00", "x", &err), JF_UNSUPPORTED);
    assert_int_equal(jf_oci_digest_check("00", "x", &err), JF_PROTOCOL);
    assert_int_equal(jf_oci_digest_check(D, "x", &err), JF_OK);
}

static void knows_this_machine(void **state) {
    (void)state;
    assert_true(jf_reference_is_local("localhost"));
    assert_true(jf_reference_is_local("LocalHost:5000"));
    assert_true(jf_reference_is_local("127.1.2.3:5000"));
    assert_true(jf_reference_is_local("[::1]:5000"));
    assert_false(jf_reference_is_local("128.0.0.1"));
    assert_false(jf_reference_is_local("localhost.example"));
    assert_false(jf_reference_is_local("127.0.0.1.example"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_references),
        cmocka_unit_test(has_limits),
        cmocka_unit_test(tells_other_algorithms),
        cmocka_unit_test(knows_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
