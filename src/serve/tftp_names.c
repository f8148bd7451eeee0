// SPDX-License-Identifier: Apache-2.0
#include "serve/tftp_names.h"

#include <stdlib.h>
#include <string.h>

#include "serve/tftp_packet.h"

static void entry_free(struct jf_tftp_entry *entry) {
    jf_content_unref(entry->content);
    free(entry->name);
    free(entry->path);
}

struct jf_tftp_entry *jf_tftp_names_find(const struct jf_tftp_names *names, const char *name) {
    name = jf_tftp_plain_name(name);
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->entries[i].name, name) == 0)
            return &names->entries[i];
    }
    return NULL;
}

struct jf_tftp_entry *jf_tftp_names_by_id(const struct jf_tftp_names *names, uint64_t id) {
    for (size_t i = 0; i < names->count; i++) {
        if (names->entries[i].id == id)
            return &names->entries[i];
    }
    return NULL;
}

// A slot at the end, or NULL when memory is out.
static struct jf_tftp_entry *append(struct jf_tftp_names *names) {
    struct jf_tftp_entry *grown =
        reallocarray(names->entries, names->count + 1, sizeof *names->entries);
    if (!grown)
        return NULL;
    names->entries = grown;
    grown[names->count] = (struct jf_tftp_entry){0};
    return &grown[names->count++];
}

bool jf_tftp_names_set(struct jf_tftp_names *names, const char *name, struct jf_content *content,
                       const char *path, uint64_t limit) {
    struct jf_tftp_entry fresh = {
        .name = strdup(jf_tftp_plain_name(name)),
        .path = path ? strdup(path) : NULL,
        .content = content ? jf_content_ref(content) : NULL,
        .limit = limit,
    };
    struct jf_tftp_entry *slot = jf_tftp_names_find(names, name);
    if (fresh.name && (!path || fresh.path) && (slot || (slot = append(names)))) {
        fresh.id = ++names->next_id;
        entry_free(slot);
        *slot = fresh;
        return true;
    }
    entry_free(&fresh);
    return false;
}

bool jf_tftp_names_remove(struct jf_tftp_names *names, const char *name) {
    struct jf_tftp_entry *entry = jf_tftp_names_find(names, name);
    if (!entry)
        return false;
    entry_free(entry);
    *entry = names->entries[--names->count];
    return true;
}

void jf_tftp_names_free(struct jf_tftp_names *names) {
    for (size_t i = 0; i < names->count; i++)
        entry_free(&names->entries[i]);
    free(names->entries);
    *names = (struct jf_tftp_names){0};
}
