// SPDX-License-Identifier: Apache-2.0
//
// One YAML document as a tree whose nodes know where they stand. It has no types
// beyond map, list and scalar: what a scalar means is for the reader's schema
// (lua/jflash/schema.lua) to say.
//
// Stricter than YAML: UTF-8 only, one document, no tags, keys are scalars and
// appear once. Anchors, aliases and merge keys ("<<") work, within the limits
// below, so that a small hostile text cannot grow into a large tree.
#ifndef JF_DATA_YAML_H
#define JF_DATA_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define JF_YAML_MAX_INPUT ((size_t)1024 * 1024)    // bytes of text
#define JF_YAML_MAX_DEPTH 64                       // nested nodes, aliases followed
#define JF_YAML_MAX_NODES 50000                    // aliases followed
#define JF_YAML_MAX_TEXT ((size_t)4 * 1024 * 1024) // bytes in all scalars, aliases followed
#define JF_YAML_MAX_ANCHORS 256

enum jf_yaml_kind { JF_YAML_SCALAR, JF_YAML_LIST, JF_YAML_MAP };

// Where something starts; both count from 1, columns in characters.
struct jf_yaml_mark {
    size_t line;
    size_t column;
};

struct jf_yaml_entry {
    const struct jf_yaml_node *key; // a scalar; NULL in a list
    const struct jf_yaml_node *value;
};

struct jf_yaml_node {
    enum jf_yaml_kind kind;
    struct jf_yaml_mark mark;

    // Scalars. The text is followed by a NUL and may hold others. `plain` tells
    // an unquoted one.
    char *text;
    size_t len;
    bool plain;

    // Maps and lists, in the order of the text.
    struct jf_yaml_entry *entries;
    size_t count;

    // Sums over this node and all below it, aliases followed.
    size_t total_nodes;
    size_t total_text;
    unsigned height;

    char *anchor;              // NULL when it has none
    struct jf_yaml_node *next; // all nodes of a document, for its release
};

struct jf_yaml;

// Parses `text`; `name` (a file's name) starts each error message:
// "NAME:LINE:COLUMN: …". An empty text is an empty plain scalar. Errors:
// JF_PROTOCOL (not YAML, or not ours), JF_UNSUPPORTED (tags, several documents),
// JF_LIMIT. On success the caller frees the document with jf_yaml_free.
enum jf_code jf_yaml_parse(const char *text, size_t len, const char *name, struct jf_yaml **ret_doc,
                           struct jf_error *err);

// The document's root, which lives as long as the document. A node that an alias
// names appears wherever the alias stands, with its own mark.
const struct jf_yaml_node *jf_yaml_root(const struct jf_yaml *doc);

// Accepts NULL.
void jf_yaml_free(struct jf_yaml *doc);

#endif
