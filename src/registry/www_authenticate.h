// SPDX-License-Identifier: Apache-2.0
//
// WWW-Authenticate (RFC 9110, section 11.6.1): how a registry wants to be asked.
#ifndef JF_REGISTRY_WWW_AUTHENTICATE_H
#define JF_REGISTRY_WWW_AUTHENTICATE_H

#include <stdbool.h>

#define JF_CHALLENGE_TEXT_SIZE 1024

// What of the field's challenges is understood: the first one of each scheme.
struct jf_challenges {
    bool basic;
    bool bearer; // with a realm; a Bearer challenge without one is none
    // Of the Bearer challenge; empty when it has no such parameter.
    char realm[JF_CHALLENGE_TEXT_SIZE]; // the token server's URL
    char service[JF_CHALLENGE_TEXT_SIZE];
    char scope[JF_CHALLENGE_TEXT_SIZE];
};

// Reads the field's value; several fields are joined by ", ". Challenges of other
// schemes are skipped. False when the field is malformed, or a value is too long.
bool jf_challenges_parse(const char *field, struct jf_challenges *ret_challenges);

#endif
