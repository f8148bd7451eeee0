// SPDX-License-Identifier: Apache-2.0
#include "console/regex.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

// Per starting position. A search over 4 KiB then ends within milliseconds for
// all but contrived expressions, and within a second or two for those.
#define MATCH_LIMIT 50000
#define DEPTH_LIMIT 20000
#define HEAP_LIMIT_KIB 4096

struct jf_regex {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

static pcre2_code *compile(const char *pattern, size_t len, struct jf_error *err) {
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context) {
        jf_fail(err, JF_LIMIT, "not enough memory");
        return NULL;
    }
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int number = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, len, PCRE2_MULTILINE | PCRE2_NEVER_UTF,
                                     &number, &offset, context);
    pcre2_compile_context_free(context);
    if (!code) {
        PCRE2_UCHAR reason[160];
        pcre2_get_error_message(number, reason, sizeof reason);
        jf_fail(err, JF_PROTOCOL, "%s at offset %zu", (const char *)reason, offset);
    }
    return code;
}

enum jf_code jf_regex_new(const char *pattern, size_t len, struct jf_regex **ret_regex,
                          struct jf_error *err) {
    struct jf_regex *regex = calloc(1, sizeof *regex);
    if (!regex)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    regex->code = compile(pattern, len, err);
    if (!regex->code) {
        enum jf_code code = err ? err->code : JF_PROTOCOL;
        jf_regex_free(regex);
        return code;
    }
    regex->data = pcre2_match_data_create_from_pattern(regex->code, NULL);
    regex->limits = pcre2_match_context_create(NULL);
    if (!regex->data || !regex->limits) {
        jf_regex_free(regex);
        return jf_fail(err, JF_LIMIT, "not enough memory");
    }
    pcre2_set_match_limit(regex->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(regex->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(regex->limits, HEAP_LIMIT_KIB);
    *ret_regex = regex;
    return JF_OK;
}

void jf_regex_free(struct jf_regex *regex) {
    if (!regex)
        return;
    pcre2_match_context_free(regex->limits);
    pcre2_match_data_free(regex->data);
    pcre2_code_free(regex->code);
    free(regex);
}

enum jf_code jf_regex_search(struct jf_regex *regex, const struct jf_subject *subject,
                             bool *ret_found, struct jf_error *err) {
    uint32_t options = PCRE2_NOTEMPTY;
    if (!subject->begins_line)
        options |= PCRE2_NOTBOL;
    if (!subject->ends_text)
        options |= PCRE2_NOTEOL;
    int result = pcre2_match(regex->code, (PCRE2_SPTR)subject->text, subject->len, 0, options,
                             regex->data, regex->limits);
    *ret_found = result > 0;
    if (result > 0 || result == PCRE2_ERROR_NOMATCH)
        return JF_OK;
    PCRE2_UCHAR reason[160];
    pcre2_get_error_message(result, reason, sizeof reason);
    return jf_fail(err, JF_LIMIT, "%s", (const char *)reason);
}

size_t jf_regex_group_count(const struct jf_regex *regex) {
    return pcre2_get_ovector_count(regex->data);
}

struct jf_span jf_regex_group(const struct jf_regex *regex, size_t group) {
    // Groups behind the last that took part are PCRE2_UNSET, which is SIZE_MAX.
    const PCRE2_SIZE *pairs = pcre2_get_ovector_pointer(regex->data);
    return (struct jf_span){pairs[2 * group], pairs[2 * group + 1]};
}
