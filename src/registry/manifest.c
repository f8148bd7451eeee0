// SPDX-License-Identifier: Apache-2.0
#include "registry/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define DOCKER_SCHEMA_1 "application/vnd.docker.distribution.manifest.v1"
#define WHERE_SIZE 48

const char jf_manifest_accept[] = OCI_MANIFEST ", " OCI_INDEX ", " DOCKER_MANIFEST ", " DOCKER_LIST;

// Reading members.

static enum jf_code optional_text(const json_t *object, const char *key, const char *where,
                                  const char **ret, struct jf_error *err) {
    const json_t *value = json_object_get(object, key);
    *ret = json_string_value(value);
    if (!value || json_is_null(value) || *ret)
        return JF_OK;
    return jf_fail(err, JF_PROTOCOL, "%s: %s is no text", where, key);
}

static enum jf_code read_annotations(const json_t *object, const char *where, json_t **ret,
                                     struct jf_error *err) {
    json_t *annotations = json_object_get(object, "annotations");
    *ret = NULL;
    if (!annotations || json_is_null(annotations))
        return JF_OK;
    if (!json_is_object(annotations))
        return jf_fail(err, JF_PROTOCOL, "%s: annotations are no object", where);
    for (void *at = json_object_iter(annotations); at;
         at = json_object_iter_next(annotations, at)) {
        if (!json_is_string(json_object_iter_value(at)))
            return jf_fail(err, JF_PROTOCOL, "%s: an annotation is no text", where);
    }
    *ret = annotations;
    return JF_OK;
}

static enum jf_code read_size(const json_t *object, const char *where, uint64_t *ret,
                              struct jf_error *err) {
    const json_t *size = json_object_get(object, "size");
    json_int_t value = json_integer_value(size);
    if (!json_is_integer(size))
        return jf_fail(err, JF_PROTOCOL, "%s: size is %s", where,
                       size ? "no whole number" : "missing");
    if (value < 0 || (uint64_t)value > JF_BLOB_SIZE_MAX)
        return jf_fail(err, JF_LIMIT,
                       "%s: a size of %" JSON_INTEGER_FORMAT " bytes; 0 to %" PRIu64 " are taken",
                       where, value, JF_BLOB_SIZE_MAX);
    *ret = (uint64_t)value;
    return JF_OK;
}

static enum jf_code read_platform(const json_t *object, const char *where,
                                  struct jf_descriptor *ret, struct jf_error *err) {
    const json_t *platform = json_object_get(object, "platform");
    if (!platform || json_is_null(platform))
        return JF_OK;
    if (!json_is_object(platform))
        return jf_fail(err, JF_PROTOCOL, "%s: platform is no object", where);
    enum jf_code code = optional_text(platform, "os", where, &ret->os, err);
    if (code == JF_OK)
        code = optional_text(platform, "architecture", where, &ret->architecture, err);
    if (code == JF_OK)
        code = optional_text(platform, "variant", where, &ret->variant, err);
    return code;
}

static enum jf_code read_descriptor(const json_t *object, const char *where,
                                    struct jf_descriptor *ret, struct jf_error *err) {
    *ret = (struct jf_descriptor){0};
    if (!json_is_object(object))
        return jf_fail(err, JF_PROTOCOL, "%s is no object", where);
    enum jf_code code = optional_text(object, "mediaType", where, &ret->media_type, err);
    if (code == JF_OK)
        code = optional_text(object, "artifactType", where, &ret->artifact_type, err);
    if (code == JF_OK)
        code = optional_text(object, "digest", where, &ret->digest, err);
    if (code != JF_OK)
        return code;
    if (!ret->media_type)
        return jf_fail(err, JF_PROTOCOL, "%s: mediaType is missing", where);
    if (!ret->digest)
        return jf_fail(err, JF_PROTOCOL, "%s: digest is missing", where);
    code = jf_oci_digest_check(ret->digest, where, err);
    if (code == JF_OK)
        code = read_size(object, where, &ret->size, err);
    if (code == JF_OK)
        code = read_platform(object, where, ret, err);
    if (code == JF_OK)
        code = read_annotations(object, where, &ret->annotations, err);
    return code;
}

static enum jf_code read_member(const json_t *root, const char *key, bool *ret_has,
                                struct jf_descriptor *ret, struct jf_error *err) {
    const json_t *value = json_object_get(root, key);
    *ret_has = value && !json_is_null(value);
    return *ret_has ? read_descriptor(value, key, ret, err) : JF_OK;
}

static enum jf_code read_items(struct jf_manifest *manifest, const char *key,
                               struct jf_error *err) {
    json_t *array = json_object_get(manifest->root, key);
    size_t count = json_array_size(array);
    char where[WHERE_SIZE];
    if (!json_is_array(array))
        return jf_fail(err, JF_PROTOCOL, "%s %s", key, array ? "are no array" : "are missing");
    if (count > JF_MANIFEST_ITEMS_MAX)
        return jf_fail(err, JF_LIMIT, "has %zu %s; at most %d are taken", count, key,
                       JF_MANIFEST_ITEMS_MAX);
    manifest->items = calloc(count + 1, sizeof *manifest->items);
    if (!manifest->items)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    for (size_t i = 0; i < count; i++) {
        snprintf(where, sizeof where, "%s number %zu", key, i + 1);
        enum jf_code code =
            read_descriptor(json_array_get(array, i), where, &manifest->items[i], err);
        if (code != JF_OK)
            return code;
    }
    manifest->count = count;
    return JF_OK;
}

// Kinds.

static bool is_type(const char *text, const char *type) {
    size_t len = strlen(type);
    // A Content-Type may have parameters.
    return text && strncmp(text, type, len) == 0 && strchr("; \t", text[len]);
}

static bool is_index_type(const char *type) {
    return is_type(type, OCI_INDEX) || is_type(type, DOCKER_LIST);
}

static bool is_manifest_type(const char *type) {
    return is_type(type, OCI_MANIFEST) || is_type(type, DOCKER_MANIFEST);
}

static enum jf_code check_schema(const json_t *root, const char *content_type,
                                 struct jf_error *err) {
    const json_t *version = json_object_get(root, "schemaVersion");
    bool first =
        content_type && strncmp(content_type, DOCKER_SCHEMA_1, sizeof DOCKER_SCHEMA_1 - 1) == 0;
    if (json_integer_value(version) == 1 || first)
        return jf_fail(err, JF_UNSUPPORTED,
                       "a manifest of Docker's schema 1, which was withdrawn; "
                       "push it again with a newer tool");
    if (json_integer_value(version) != 2)
        return jf_fail(err, JF_PROTOCOL, "schemaVersion is not 2");
    return JF_OK;
}

static enum jf_code settle_kind(struct jf_manifest *manifest, const char *content_type,
                                struct jf_error *err) {
    const char *type = manifest->media_type;
    bool layers = json_object_get(manifest->root, "layers") != NULL;
    bool manifests = json_object_get(manifest->root, "manifests") != NULL;
    if (!type && (is_index_type(content_type) || is_manifest_type(content_type)))
        type = content_type;
    if (layers && manifests) // two readers could take it for two things
        return jf_fail(err, JF_PROTOCOL, "has both layers and manifests");
    if (type && !is_index_type(type) && !is_manifest_type(type))
        return jf_fail(err, JF_UNSUPPORTED, "is a document of type %.100s, no manifest", type);
    manifest->is_index = type ? is_index_type(type) : manifests;
    if (!manifest->media_type)
        manifest->media_type = manifest->is_index ? OCI_INDEX : OCI_MANIFEST;
    return JF_OK;
}

static enum jf_code read_root(struct jf_manifest *manifest, const char *content_type,
                              struct jf_error *err) {
    const json_t *root = manifest->root;
    if (!json_is_object(root))
        return jf_fail(err, JF_PROTOCOL, "is no JSON object");
    enum jf_code code = check_schema(root, content_type, err);
    if (code == JF_OK)
        code = optional_text(root, "mediaType", "manifest", &manifest->media_type, err);
    if (code == JF_OK)
        code = optional_text(root, "artifactType", "manifest", &manifest->artifact_type, err);
    if (code == JF_OK)
        code = settle_kind(manifest, content_type, err);
    if (code == JF_OK)
        code = read_annotations(root, "manifest", &manifest->annotations, err);
    if (code == JF_OK)
        code = read_member(root, "config", &manifest->has_config, &manifest->config, err);
    if (code == JF_OK)
        code = read_member(root, "subject", &manifest->has_subject, &manifest->subject, err);
    if (code == JF_OK)
        code = read_items(manifest, manifest->is_index ? "manifests" : "layers", err);
    return code;
}

// Text that is no JSON at all is mostly a web page: of a proxy, or of a login.
static enum jf_code fail_syntax(const char *text, size_t len, const json_error_t *where,
                                struct jf_error *err) {
    size_t blank = 0;
    while (blank < len && strchr(" \t\r\n", text[blank]) && text[blank])
        blank++;
    if (blank < len && text[blank] == '<')
        return jf_fail(err, JF_PROTOCOL,
                       "is a web page, no manifest: is this the registry's address?");
    return jf_fail(err, JF_PROTOCOL, "is no JSON: line %d, column %d", where->line, where->column);
}

enum jf_code jf_manifest_parse(const char *text, size_t len, const char *content_type,
                               const char *name, struct jf_manifest *ret_manifest,
                               struct jf_error *err) {
    struct jf_manifest manifest = {0};
    json_error_t where;
    *ret_manifest = manifest;
    if (len > JF_MANIFEST_LIMIT)
        return jf_fail(err, JF_LIMIT, "%s: has more than %zu bytes", name, JF_MANIFEST_LIMIT);
    manifest.root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    enum jf_code code = manifest.root ? read_root(&manifest, content_type, err)
                                      : fail_syntax(text, len, &where, err);
    if (code == JF_OK) {
        *ret_manifest = manifest;
        return JF_OK;
    }
    jf_manifest_free(&manifest);
    return jf_prefix(err, "%s", name);
}

void jf_manifest_free(struct jf_manifest *manifest) {
    free(manifest->items);
    json_decref(manifest->root);
    *manifest = (struct jf_manifest){0};
}
