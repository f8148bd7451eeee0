// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a YAML document: it parses or fails with a message, and a tree
// that was made keeps the limits that data/yaml.h promises.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/yaml.h"

static size_t walk(const struct jf_yaml_node *node, unsigned depth) {
    if (depth > JF_YAML_MAX_DEPTH || node->mark.line == 0 || node->mark.column == 0)
        abort();
    if (node->kind == JF_YAML_SCALAR && node->text[node->len] != '\0')
        abort();
    size_t nodes = 1;
    for (size_t i = 0; i < node->count; i++) {
        const struct jf_yaml_entry *entry = &node->entries[i];
        if ((entry->key != NULL) != (node->kind == JF_YAML_MAP))
            abort();
        nodes += walk(entry->value, depth + 1) + (entry->key ? 1 : 0);
    }
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct jf_yaml *doc = NULL;
    struct jf_error err = {0};
    enum jf_code code = jf_yaml_parse((const char *)data, size, "fuzz.yaml", &doc, &err);
    if (code) {
        if (err.code != code || strncmp(err.message, "fuzz.yaml:", 10) != 0)
            abort();
        return 0;
    }
    const struct jf_yaml_node *root = jf_yaml_root(doc);
    size_t nodes = walk(root, 1);
    if (nodes != root->total_nodes || nodes > JF_YAML_MAX_NODES)
        abort();
    jf_yaml_free(doc);
    return 0;
}
