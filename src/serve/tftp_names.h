// SPDX-License-Identifier: Apache-2.0
//
// The names a TFTP server knows: each stands for a content to read or for a file to
// receive once. Nothing else is reachable; nothing here is a directory. Not locked:
// the server's lock covers it.
#ifndef JF_SERVE_TFTP_NAMES_H
#define JF_SERVE_TFTP_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/content.h"

struct jf_tftp_entry {
    char *name;
    struct jf_content *content; // NULL: a file to receive
    char *path;                 // where a received file goes
    uint64_t limit;             // of a received file, bytes
    uint64_t id;                // tells a re-added name from the one before
    bool busy;                  // a client is sending it
    bool used;                  // it was received
};

struct jf_tftp_names {
    struct jf_tftp_entry *entries;
    size_t count;
    uint64_t next_id;
};

// Replaces a name that is there. `content` (referenced) or `path` (copied) is NULL.
// False when memory is out.
bool jf_tftp_names_set(struct jf_tftp_names *names, const char *name, struct jf_content *content,
                       const char *path, uint64_t limit);

// NULL when there is no such name. Valid until the next change of the table.
struct jf_tftp_entry *jf_tftp_names_find(const struct jf_tftp_names *names, const char *name);

// The entry of this id, or NULL when it was removed or replaced.
struct jf_tftp_entry *jf_tftp_names_by_id(const struct jf_tftp_names *names, uint64_t id);

// False when there is no such name.
bool jf_tftp_names_remove(struct jf_tftp_names *names, const char *name);

void jf_tftp_names_free(struct jf_tftp_names *names);

#endif
