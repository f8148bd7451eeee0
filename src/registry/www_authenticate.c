// SPDX-License-Identifier: Apache-2.0
#include "registry/www_authenticate.h"

#include <string.h>
#include <strings.h>

#define TOKEN "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define TOKEN68 "-._~+/0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME_SIZE 32
#define BLANKS " \t"

static bool skip(const char **text, char expected) {
    if (**text != expected)
        return false;
    (*text)++;
    return true;
}

static void skip_blanks(const char **text) {
    *text += strspn(*text, BLANKS);
}

// A list may have empty elements (RFC 9110, section 5.6.1.2).
static void skip_commas(const char **text) {
    *text += strspn(*text, BLANKS ",");
}

// One that is too long for its place is cut: no name that matters is.
static bool read_token(const char **text, char *ret, size_t size) {
    size_t len = strspn(*text, TOKEN);
    size_t kept = len < size ? len : size - 1;
    memcpy(ret, *text, kept);
    ret[kept] = '\0';
    *text += len;
    return len > 0;
}

// Appends a character; false when there is no room, or it has no place in a value.
static bool add(char *ret, size_t *len, char byte) {
    if (*len + 1 >= JF_CHALLENGE_TEXT_SIZE || (byte > 0 && byte < ' ') || byte == 0x7f)
        return false;
    ret[(*len)++] = byte;
    ret[*len] = '\0';
    return true;
}

static bool read_quoted(const char **text, char ret[JF_CHALLENGE_TEXT_SIZE]) {
    size_t len = 0;
    while (**text && **text != '"') {
        if (**text == '\\')
            (*text)++;
        if (!**text || !add(ret, &len, **text))
            return false;
        (*text)++;
    }
    return skip(text, '"');
}

static bool read_value(const char **text, char ret[JF_CHALLENGE_TEXT_SIZE]) {
    ret[0] = '\0';
    if (skip(text, '"'))
        return read_quoted(text, ret);
    return strspn(*text, TOKEN) < JF_CHALLENGE_TEXT_SIZE &&
           read_token(text, ret, JF_CHALLENGE_TEXT_SIZE);
}

// Where the value of the parameter goes; NULL: nowhere.
static char *place_of(struct jf_challenges *challenges, const char *name) {
    if (strcasecmp(name, "realm") == 0)
        return challenges->realm;
    if (strcasecmp(name, "service") == 0)
        return challenges->service;
    return strcasecmp(name, "scope") == 0 ? challenges->scope : NULL;
}

// auth-param = token BWS "=" BWS ( token / quoted-string ). *ret_is: whether there is
// one; without, nothing was read.
static bool read_parameter(const char **text, struct jf_challenges *into, bool *ret_is) {
    const char *at = *text;
    char name[NAME_SIZE];
    char value[JF_CHALLENGE_TEXT_SIZE];
    *ret_is = false;
    if (!read_token(&at, name, sizeof name))
        return true;
    skip_blanks(&at);
    if (!skip(&at, '='))
        return true;
    skip_blanks(&at);
    *ret_is = true;
    if (!read_value(&at, value))
        return false;
    char *place = into ? place_of(into, name) : NULL;
    if (place && !place[0])
        memcpy(place, value, sizeof value);
    *text = at;
    return true;
}

static bool at_end_of_element(const char *text) {
    text += strspn(text, BLANKS);
    return !*text || *text == ',';
}

// token68, as Negotiate has it; false when none stands there.
static bool skip_token68(const char **text) {
    size_t len = strspn(*text, TOKEN68);
    size_t all = len + strspn(*text + len, "=");
    if (!len || !at_end_of_element(*text + all))
        return false;
    *text += all;
    return true;
}

static bool read_parameters(const char **text, struct jf_challenges *into) {
    bool is = false;
    if (at_end_of_element(*text))
        return true;
    // A list of parameters ends where the next element is another challenge.
    for (;;) {
        const char *before = *text;
        skip_commas(text);
        if (!read_parameter(text, into, &is))
            return false;
        if (!is) {
            *text = before;
            return true;
        }
        if (!at_end_of_element(*text))
            return false;
    }
}

static bool read_challenge(const char **text, struct jf_challenges *challenges) {
    char scheme[NAME_SIZE];
    if (!read_token(text, scheme, sizeof scheme))
        return false;
    bool blank = **text == ' ';
    if (!blank && !at_end_of_element(*text))
        return false;
    skip_blanks(text);
    bool bearer = strcasecmp(scheme, "Bearer") == 0;
    challenges->basic = challenges->basic || strcasecmp(scheme, "Basic") == 0;
    if (blank && skip_token68(text))
        return true;
    if (!read_parameters(text, bearer && !challenges->bearer ? challenges : NULL))
        return false;
    challenges->bearer = challenges->bearer || (bearer && challenges->realm[0]);
    return at_end_of_element(*text);
}

bool jf_challenges_parse(const char *field, struct jf_challenges *ret_challenges) {
    *ret_challenges = (struct jf_challenges){0};
    for (;;) {
        skip_commas(&field);
        if (!*field)
            return true;
        if (!read_challenge(&field, ret_challenges)) {
            *ret_challenges = (struct jf_challenges){0};
            return false;
        }
    }
}
