// SPDX-License-Identifier: Apache-2.0
//
// Credential files: containers-auth.json(5), and Docker's config.json. Only what
// such a file says; where the files lie and in which order is policy (Lua).
#ifndef JF_REGISTRY_AUTH_FILE_H
#define JF_REGISTRY_AUTH_FILE_H

#include <stddef.h>

#include "base/error.h"

#define JF_AUTH_FILE_LIMIT ((size_t)1 << 20) // bytes
#define JF_HELPER_NAME_SIZE 64

// What to show a registry. Zero-initialise; jf_credentials_free in any state wipes it.
struct jf_credentials {
    char *user;           // with `password`, or both NULL
    char *password;       //
    char *identity_token; // an OAuth2 refresh token; NULL: none
};

void jf_credentials_free(struct jf_credentials *credentials);

struct jf_auth_entry {
    struct jf_credentials credentials;
    char helper[JF_HELPER_NAME_SIZE]; // ask docker-credential-NAME instead; empty: do not
    char *key;                        // the file's key that matched; NULL: nothing did
};

// Looks `repository` at `host` up: the longest key that is the host, or the host and
// the beginning of the repository's path, wins; among keys as long, a helper of this
// key does, and what stands under "auths" wins over the general helper. Docker Hub's
// names are one host. `name` is the file's, for messages, which hold no secret.
// JF_OK also when there is nothing (then ret_entry is all zero); JF_PROTOCOL when the
// file, or the entry that matched, is malformed. Free with jf_auth_entry_free.
enum jf_code jf_auth_file_find(const char *text, size_t len, const char *name, const char *host,
                               const char *repository, struct jf_auth_entry *ret_entry,
                               struct jf_error *err);
void jf_auth_entry_free(struct jf_auth_entry *entry);

#endif
