// SPDX-License-Identifier: Apache-2.0
//
// Builds the tree from libyaml's events. Recursion is bounded by
// JF_YAML_MAX_DEPTH, and every sum is checked as it grows.
#include "data/yaml.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define QUOTED_MAX 64 // bytes of the document's text in an error message
#define TAG_DIRECTIVES_MAX 16

struct jf_yaml {
    struct jf_yaml_node *nodes; // newest first
    const struct jf_yaml_node *root;
};

struct reader {
    yaml_parser_t parser;
    const char *name;
    const char *text;
    struct jf_yaml *doc;
    const struct jf_yaml_node *anchors[JF_YAML_MAX_ANCHORS];
    size_t anchor_count;
    struct jf_error *err;
};

#define OWNED_EVENT __attribute__((cleanup(yaml_event_delete))) yaml_event_t

static struct jf_yaml_mark mark_of(yaml_mark_t mark) {
    return (struct jf_yaml_mark){.line = mark.line + 1, .column = mark.column + 1};
}

static enum jf_code fail_at(const struct reader *reader, enum jf_code code,
                            struct jf_yaml_mark mark, const char *message) {
    jf_fail(reader->err, code, "%s:%zu:%zu: %s", reader->name, mark.line, mark.column, message);
    return code;
}

static bool is_control(char c) {
    return (unsigned char)c < ' ' || c == 0x7f;
}

// As fail_at, with a word of the document in quotes and without its control characters.
static enum jf_code fail_quoting(const struct reader *reader, enum jf_code code,
                                 struct jf_yaml_mark mark, const char *before, const char *text,
                                 const char *after) {
    char quoted[QUOTED_MAX + 1];
    size_t len = strnlen(text, QUOTED_MAX);
    while (((unsigned char)text[len] & 0xc0) == 0x80)
        len--; // not in the middle of a character
    for (size_t i = 0; i < len; i++) {
        quoted[i] = text[i];
        if (is_control(text[i]))
            quoted[i] = '?';
    }
    quoted[len] = '\0';
    jf_fail(reader->err, code, "%s:%zu:%zu: %s '%s' %s", reader->name, mark.line, mark.column,
            before, quoted, after);
    return code;
}

static enum jf_code no_memory(const struct reader *reader) {
    jf_fail(reader->err, JF_LIMIT, "%s: not enough memory", reader->name);
    return JF_LIMIT;
}

// libyaml gives a byte offset, and no line, for what is wrong with a character.
static struct jf_yaml_mark mark_at_offset(const char *text, size_t offset) {
    struct jf_yaml_mark mark = {.line = 1, .column = 1};
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n')
            mark = (struct jf_yaml_mark){.line = mark.line + 1, .column = 1};
        else if (((unsigned char)text[i] & 0xc0) != 0x80)
            mark.column++;
    }
    return mark;
}

static enum jf_code fail_parser(const struct reader *reader) {
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return no_memory(reader);
    const char *problem = parser->problem ? parser->problem : "not YAML";
    if (parser->error == YAML_READER_ERROR)
        return fail_at(reader, JF_PROTOCOL, mark_at_offset(reader->text, parser->problem_offset),
                       problem);
    struct jf_yaml_mark at = mark_of(parser->problem_mark);
    if (!parser->context || parser->context_mark.line == parser->problem_mark.line)
        return fail_at(reader, JF_PROTOCOL, at, problem);
    return jf_fail(reader->err, JF_PROTOCOL, "%s:%zu:%zu: %s %s that starts at line %zu",
                   reader->name, at.line, at.column, problem, parser->context,
                   parser->context_mark.line + 1);
}

static enum jf_code next_event(struct reader *reader, yaml_event_t *ret_event) {
    if (!yaml_parser_parse(&reader->parser, ret_event))
        return fail_parser(reader);
    return JF_OK;
}

static struct jf_yaml_node *new_node(struct reader *reader, enum jf_yaml_kind kind,
                                     yaml_mark_t mark) {
    struct jf_yaml_node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    node->kind = kind;
    node->mark = mark_of(mark);
    node->total_nodes = 1;
    node->height = 1;
    node->next = reader->doc->nodes;
    reader->doc->nodes = node;
    return node;
}

static enum jf_code keep_anchor(struct reader *reader, struct jf_yaml_node *node,
                                const yaml_char_t *anchor) {
    if (!anchor)
        return JF_OK;
    if (reader->anchor_count == JF_YAML_MAX_ANCHORS)
        return fail_at(reader, JF_LIMIT, node->mark, "more than 256 anchors");
    node->anchor = strdup((const char *)anchor);
    if (!node->anchor)
        return no_memory(reader);
    reader->anchors[reader->anchor_count++] = node;
    return JF_OK;
}

static enum jf_code refuse_tag(const struct reader *reader, const yaml_char_t *tag,
                               yaml_mark_t mark) {
    if (!tag)
        return JF_OK;
    return fail_quoting(reader, JF_UNSUPPORTED, mark_of(mark), "tag", (const char *)tag,
                        "is not supported; write the value without it");
}

static enum jf_code read_scalar(struct reader *reader, const yaml_event_t *event,
                                const struct jf_yaml_node **ret_node) {
    enum jf_code code = refuse_tag(reader, event->data.scalar.tag, event->start_mark);
    if (code)
        return code;
    struct jf_yaml_node *node = new_node(reader, JF_YAML_SCALAR, event->start_mark);
    if (!node)
        return no_memory(reader);
    node->len = event->data.scalar.length;
    node->total_text = node->len;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = malloc(node->len + 1);
    if (!node->text)
        return no_memory(reader);
    memcpy(node->text, event->data.scalar.value, node->len);
    node->text[node->len] = '\0';
    *ret_node = node;
    return keep_anchor(reader, node, event->data.scalar.anchor);
}

// Only finished nodes have registered their anchor, so no node can hold itself.
static enum jf_code read_alias(struct reader *reader, const yaml_event_t *event,
                               const struct jf_yaml_node **ret_node) {
    const char *anchor = (const char *)event->data.alias.anchor;
    for (size_t i = reader->anchor_count; i > 0; i--) {
        if (strcmp(reader->anchors[i - 1]->anchor, anchor) == 0) {
            *ret_node = reader->anchors[i - 1];
            return JF_OK;
        }
    }
    return fail_quoting(reader, JF_PROTOCOL, mark_of(event->start_mark), "alias", anchor,
                        "has no finished anchor before it");
}

static enum jf_code check_totals(const struct reader *reader, const struct jf_yaml_node *node,
                                 struct jf_yaml_mark mark, unsigned depth) {
    if (depth + node->height - 1 > JF_YAML_MAX_DEPTH)
        return fail_at(reader, JF_LIMIT, mark, "nested deeper than 64 levels");
    if (node->total_nodes > JF_YAML_MAX_NODES)
        return fail_at(reader, JF_LIMIT, mark, "more than 50000 values, aliases followed");
    if (node->total_text > JF_YAML_MAX_TEXT)
        return fail_at(reader, JF_LIMIT, mark, "more than 4 MiB of text, aliases followed");
    return JF_OK;
}

// Adds an entry, which stands at `mark`, to a map or list at `depth`. The array
// doubles at powers of two.
static enum jf_code add_entry(struct reader *reader, struct jf_yaml_node *node,
                              struct jf_yaml_entry entry, struct jf_yaml_mark mark,
                              unsigned depth) {
    if ((node->count & (node->count - 1)) == 0) {
        size_t room = node->count ? node->count * 2 : 1;
        struct jf_yaml_entry *grown = reallocarray(node->entries, room, sizeof *grown);
        if (!grown)
            return no_memory(reader);
        node->entries = grown;
    }
    node->entries[node->count++] = entry;
    node->total_nodes += entry.value->total_nodes + (entry.key ? 1 : 0);
    node->total_text += entry.value->total_text + (entry.key ? entry.key->len : 0);
    if (node->height <= entry.value->height)
        node->height = entry.value->height + 1;
    return check_totals(reader, node, mark, depth);
}

static enum jf_code read_node(struct reader *reader, const yaml_event_t *event, unsigned depth,
                              const struct jf_yaml_node **ret_node);

static enum jf_code read_list(struct reader *reader, struct jf_yaml_node *list, unsigned depth) {
    for (;;) {
        OWNED_EVENT event = {0};
        enum jf_code code = next_event(reader, &event);
        if (code || event.type == YAML_SEQUENCE_END_EVENT)
            return code;
        struct jf_yaml_entry entry = {0};
        code = read_node(reader, &event, depth + 1, &entry.value);
        if (!code)
            code = add_entry(reader, list, entry, mark_of(event.start_mark), depth);
        if (code)
            return code;
    }
}

static enum jf_code read_key(struct reader *reader, const yaml_event_t *event,
                             const struct jf_yaml_node **ret_key) {
    if (event->type != YAML_SCALAR_EVENT && event->type != YAML_ALIAS_EVENT)
        return fail_at(reader, JF_PROTOCOL, mark_of(event->start_mark),
                       "a mapping key must be a single word or text");
    enum jf_code code = read_node(reader, event, 1, ret_key);
    if (!code && (*ret_key)->kind != JF_YAML_SCALAR)
        return fail_at(reader, JF_PROTOCOL, mark_of(event->start_mark),
                       "a mapping key must be a single word or text");
    return code;
}

static int compare_keys(const void *a, const void *b) {
    const struct jf_yaml_node *left = a;
    const struct jf_yaml_node *right = b;
    size_t common = left->len < right->len ? left->len : right->len;
    int order = memcmp(left->text, right->text, common);
    return order ? order : (left->len > right->len) - (left->len < right->len);
}

// Adds `key` to the set. On success tells whether it is new.
static enum jf_code note_key(const struct reader *reader, const struct jf_yaml_node *key,
                             void **keys, bool *ret_new) {
    *ret_new = !tfind(key, keys, compare_keys);
    if (*ret_new && !tsearch(key, keys, compare_keys))
        return no_memory(reader);
    return JF_OK;
}

static bool is_merge_key(const struct jf_yaml_node *key) {
    return key->plain && strcmp(key->text, "<<") == 0;
}

// Adds the entries of `from` whose keys the map does not have.
static enum jf_code merge_map(struct reader *reader, struct jf_yaml_node *map,
                              const struct jf_yaml_node *from, void **keys, unsigned depth) {
    if (from->kind != JF_YAML_MAP)
        return fail_at(reader, JF_PROTOCOL, from->mark, "'<<' merges maps only");
    for (size_t i = 0; i < from->count; i++) {
        bool is_new = false;
        enum jf_code code = note_key(reader, from->entries[i].key, keys, &is_new);
        if (!code && is_new)
            code = add_entry(reader, map, from->entries[i], from->mark, depth);
        if (code)
            return code;
    }
    return JF_OK;
}

static enum jf_code merge_value(struct reader *reader, struct jf_yaml_node *map,
                                const struct jf_yaml_node *value, void **keys, unsigned depth) {
    if (value->kind != JF_YAML_LIST)
        return merge_map(reader, map, value, keys, depth);
    enum jf_code code = JF_OK;
    for (size_t i = 0; !code && i < value->count; i++)
        code = merge_map(reader, map, value->entries[i].value, keys, depth);
    return code;
}

static enum jf_code read_entry(struct reader *reader, const yaml_event_t *key_event,
                               struct jf_yaml_entry *ret_entry, unsigned depth) {
    OWNED_EVENT event = {0};
    enum jf_code code = read_key(reader, key_event, &ret_entry->key);
    if (!code)
        code = next_event(reader, &event);
    if (!code)
        code = read_node(reader, &event, depth + 1, &ret_entry->value);
    return code;
}

static enum jf_code note_own_key(const struct reader *reader, const struct jf_yaml_node *key,
                                 yaml_mark_t mark, void **keys) {
    bool is_new = false;
    enum jf_code code = note_key(reader, key, keys, &is_new);
    if (!code && !is_new)
        return fail_quoting(reader, JF_PROTOCOL, mark_of(mark), "mapping key", key->text,
                            "appears twice");
    return code;
}

// Merging waits for the map's end, since its own keys win.
static enum jf_code read_entries(struct reader *reader, struct jf_yaml_node *map, void **keys,
                                 unsigned depth) {
    const struct jf_yaml_node *merged = NULL;
    for (;;) {
        OWNED_EVENT event = {0};
        enum jf_code code = next_event(reader, &event);
        if (code)
            return code;
        if (event.type == YAML_MAPPING_END_EVENT)
            return merged ? merge_value(reader, map, merged, keys, depth) : JF_OK;
        struct jf_yaml_entry entry = {0};
        code = read_entry(reader, &event, &entry, depth);
        if (!code)
            code = note_own_key(reader, entry.key, event.start_mark, keys);
        if (!code && is_merge_key(entry.key))
            merged = entry.value;
        else if (!code)
            code = add_entry(reader, map, entry, mark_of(event.start_mark), depth);
        if (code)
            return code;
    }
}

static void keep_key(void *key) {
    (void)key; // the document owns it
}

static enum jf_code read_map(struct reader *reader, struct jf_yaml_node *map, unsigned depth) {
    void *keys = NULL;
    enum jf_code code = read_entries(reader, map, &keys, depth);
    tdestroy(keys, keep_key);
    return code;
}

static enum jf_code read_collection(struct reader *reader, const yaml_event_t *event,
                                    unsigned depth, const struct jf_yaml_node **ret_node) {
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *tag =
        is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    enum jf_code code = refuse_tag(reader, tag, event->start_mark);
    if (code)
        return code;
    struct jf_yaml_node *node =
        new_node(reader, is_map ? JF_YAML_MAP : JF_YAML_LIST, event->start_mark);
    if (!node)
        return no_memory(reader);
    code = check_totals(reader, node, node->mark, depth);
    if (!code)
        code = is_map ? read_map(reader, node, depth) : read_list(reader, node, depth);
    *ret_node = node;
    if (code)
        return code;
    return keep_anchor(reader, node,
                       is_map ? event->data.mapping_start.anchor
                              : event->data.sequence_start.anchor);
}

static enum jf_code read_node(struct reader *reader, const yaml_event_t *event, unsigned depth,
                              const struct jf_yaml_node **ret_node) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(reader, event, ret_node);
    case YAML_ALIAS_EVENT:
        return read_alias(reader, event, ret_node);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return read_collection(reader, event, depth, ret_node);
    default:
        return fail_at(reader, JF_PROTOCOL, mark_of(event->start_mark), "a value is missing");
    }
}

// The next event that is not about where documents and the stream start and end.
static enum jf_code next_content(struct reader *reader, yaml_event_t *ret_event) {
    for (;;) {
        enum jf_code code = next_event(reader, ret_event);
        if (code)
            return code;
        switch (ret_event->type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            yaml_event_delete(ret_event);
            break;
        default:
            return JF_OK;
        }
    }
}

static enum jf_code read_empty(struct reader *reader) {
    struct jf_yaml_node *node = new_node(reader, JF_YAML_SCALAR, (yaml_mark_t){0});
    if (!node || !(node->text = strdup("")))
        return no_memory(reader);
    node->plain = true;
    reader->doc->root = node;
    return JF_OK;
}

static enum jf_code read_document(struct reader *reader) {
    OWNED_EVENT first = {0};
    enum jf_code code = next_content(reader, &first);
    if (code)
        return code;
    if (first.type == YAML_STREAM_END_EVENT)
        return read_empty(reader);
    code = read_node(reader, &first, 1, &reader->doc->root);
    if (code)
        return code;
    OWNED_EVENT rest = {0};
    code = next_content(reader, &rest);
    if (!code && rest.type != YAML_STREAM_END_EVENT)
        return fail_at(reader, JF_UNSUPPORTED, mark_of(rest.start_mark),
                       "a second document starts here; one is expected");
    return code;
}

// A byte order mark is none of the text, and would shift the first column.
static size_t bom_length(const char *text, size_t len) {
    return len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

// libyaml compares each %TAG directive with all before it: 1 MiB of them would
// keep it busy for many seconds.
static enum jf_code limit_directives(const struct reader *reader, size_t len) {
    const char *end = reader->text + len;
    const char *at = reader->text;
    for (unsigned count = 0; (at = memmem(at, (size_t)(end - at), "%TAG", 4)); at += 4) {
        if (++count > TAG_DIRECTIVES_MAX)
            return fail_at(reader, JF_LIMIT,
                           mark_at_offset(reader->text, (size_t)(at - reader->text)),
                           "more than 16 times %TAG");
    }
    return JF_OK;
}

static enum jf_code parse(struct reader *reader, size_t len) {
    enum jf_code code = limit_directives(reader, len);
    if (code)
        return code;
    if (!yaml_parser_initialize(&reader->parser))
        return no_memory(reader);
    // Said outright, since libyaml would otherwise accept UTF-16 too.
    yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader->parser, (const unsigned char *)reader->text, len);
    code = read_document(reader);
    yaml_parser_delete(&reader->parser);
    return code;
}

enum jf_code jf_yaml_parse(const char *text, size_t len, const char *name, struct jf_yaml **ret_doc,
                           struct jf_error *err) {
    if (len > JF_YAML_MAX_INPUT)
        return jf_fail(err, JF_LIMIT, "%s: %zu bytes of YAML, the limit is 1 MiB", name, len);
    size_t bom = bom_length(text, len);
    struct reader *reader = calloc(1, sizeof *reader);
    struct jf_yaml *doc = calloc(1, sizeof *doc);
    enum jf_code code = JF_LIMIT;
    if (reader && doc) {
        *reader = (struct reader){.name = name, .text = text + bom, .doc = doc, .err = err};
        code = parse(reader, len - bom);
    } else {
        jf_fail(err, JF_LIMIT, "%s: not enough memory", name);
    }
    free(reader);
    if (code)
        jf_yaml_free(doc);
    else
        *ret_doc = doc;
    return code;
}

const struct jf_yaml_node *jf_yaml_root(const struct jf_yaml *doc) {
    return doc->root;
}

void jf_yaml_free(struct jf_yaml *doc) {
    struct jf_yaml_node *node = doc ? doc->nodes : NULL;
    while (node) {
        struct jf_yaml_node *next = node->next;
        free(node->text);
        free(node->entries);
        free(node->anchor);
        free(node);
        node = next;
    }
    free(doc);
}
