// SPDX-License-Identifier: Apache-2.0
//
// Image manifests and indexes (OCI image specification 1.1; Docker's schema 2 is the
// same under other names), checked before anything is done with them. Whether the
// bytes have the digest that was asked for is the caller's to compare.
#ifndef JF_REGISTRY_MANIFEST_H
#define JF_REGISTRY_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "registry/reference.h"

#define JF_MANIFEST_LIMIT ((size_t)4 << 20)  // bytes; registries take no larger ones
#define JF_MANIFEST_ITEMS_MAX 1000           // layers, or manifests of an index
#define JF_BLOB_SIZE_MAX ((uint64_t)1 << 43) // 8 TiB: also their sum stays a number
#define JF_MEDIA_TYPE_SIZE 256

// The media types to ask for, as the field Accept has them.
extern const char jf_manifest_accept[];

// What a manifest says of a blob or of another manifest. The texts belong to the
// manifest; NULL: not there.
struct jf_descriptor {
    const char *media_type;
    const char *digest; // "sha256:…"
    uint64_t size;
    const char *artifact_type;
    json_t *annotations; // an object of texts, or NULL
    // Of an index's members.
    const char *os;
    const char *architecture;
    const char *variant;
};

struct jf_manifest {
    bool is_index;
    const char *media_type;
    const char *artifact_type;
    struct jf_descriptor *items; // layers; of an index its manifests
    size_t count;
    bool has_config;
    struct jf_descriptor config;
    bool has_subject;
    struct jf_descriptor subject;
    json_t *annotations; // an object of texts, or NULL
    json_t *root;        // holds all of them
};

// Takes a manifest apart. `content_type` is what the registry called it; NULL or
// empty: not known. `name` starts the messages. JF_PROTOCOL, JF_LIMIT, or
// JF_UNSUPPORTED for a valid document of another kind. Free with jf_manifest_free.
enum jf_code jf_manifest_parse(const char *text, size_t len, const char *content_type,
                               const char *name, struct jf_manifest *ret_manifest,
                               struct jf_error *err);
void jf_manifest_free(struct jf_manifest *manifest); // accepts one that is all zero

#endif
