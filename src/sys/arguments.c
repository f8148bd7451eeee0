// SPDX-License-Identifier: Apache-2.0
#include "sys/arguments.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MASK '*'

static const char *const secret_options[] = {"--bearer", "--header"};

static void mask(char *from, const char *end) {
    if (end > from)
        memset(from, MASK, (size_t)(end - from));
}

// User, password and query of a URL, which may stand behind something else
// (-t PART:URL).
static void mask_url(char *text) {
    char *authority = strstr(text, "://");
    if (!authority)
        return;
    authority += 3;
    char *path = authority + strcspn(authority, "/?#");
    char *query = authority + strcspn(authority, "?#");
    // A password may hold an unescaped "@": the last one ends it.
    char *login_end = memrchr(authority, '@', (size_t)(path - authority));
    if (login_end)
        mask(authority, login_end);
    if (*query)
        mask(query + 1, query + strlen(query));
}

// The part of "--bearer=TOKEN" that is the value; the end of "--bearer", whose value
// is the next argument; NULL for any other.
static char *secret_value(char *argument) {
    for (size_t i = 0; i < sizeof secret_options / sizeof *secret_options; i++) {
        size_t len = strlen(secret_options[i]);
        if (strncmp(argument, secret_options[i], len) == 0 &&
            (argument[len] == '=' || argument[len] == '\0'))
            return argument + len;
    }
    return NULL;
}

static void mask_all(int argc, char **argv) {
    bool follows = false;
    for (int i = 1; i < argc; i++) {
        char *value = follows ? argv[i] : secret_value(argv[i]);
        bool names = !follows && value && *value == '\0';
        if (value)
            mask(value, value + strlen(value));
        else
            mask_url(argv[i]);
        follows = names;
    }
}

char **jf_arguments_take(int argc, char **argv) {
    char **copies = calloc((size_t)argc + 1, sizeof *copies);
    for (int i = 0; copies && i < argc; i++) {
        copies[i] = strdup(argv[i]);
        if (!copies[i]) {
            jf_arguments_free(copies);
            return NULL;
        }
    }
    if (copies)
        mask_all(argc, argv);
    return copies;
}

void jf_arguments_free(char **arguments) {
    for (char **next = arguments; next && *next; next++) {
        explicit_bzero(*next, strlen(*next));
        free(*next);
    }
    free(arguments);
}
