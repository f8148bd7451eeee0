// SPDX-License-Identifier: Apache-2.0
//
// One repository at a registry, by the OCI distribution specification 1.1: its
// manifests and blobs. Tokens are fetched, kept and renewed on the way (Docker's
// token specification), also in the middle of a download; credentials go to the
// registry and its token server only. Safe from any thread.
#ifndef JF_REGISTRY_CLIENT_H
#define JF_REGISTRY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/error.h"
#include "net/download.h"
#include "registry/auth_file.h"
#include "registry/reference.h"

struct jf_registry;

struct jf_registry_options {
    const char *host;                  // of the reference; Docker Hub's is found behind its name
    const char *repository;            //
    const char *actions;               // what tokens are for: "pull", "pull,push"
    struct jf_credentials credentials; // the strings are copied; all NULL: anonymous
    const char *cacert;                // as in struct jf_http_request
    bool insecure;                     //
    bool plain_http;                   // no TLS; a host that is this machine may do without unasked
    const char *user_agent;
    double connect_timeout_s;
    double stall_timeout_s;
    unsigned retries; // as in struct jf_download_options
    double backoff_s; //
};

// Loads libcurl; asks nothing yet. The caller owns one reference.
enum jf_code jf_registry_open(const struct jf_registry_options *options,
                              struct jf_registry **ret_registry, struct jf_error *err);
struct jf_registry *jf_registry_ref(struct jf_registry *registry);
void jf_registry_unref(struct jf_registry *registry); // accepts NULL

struct jf_registry_manifest {
    struct jf_buf text; // as it arrived: its digest is that of these bytes
    char media_type[JF_HTTP_VALIDATOR_SIZE];
    char digest[JF_DIGEST_SIZE]; // computed; equal to the one that was asked for, if one was
};

// Fetches a manifest by tag or digest. *ret_outcome tells about a failure;
// JF_CHECKSUM when it is not the one that was asked for. `ret` is zero-initialised
// by the caller, who frees its text.
enum jf_code jf_registry_get_manifest(struct jf_registry *registry, const char *tag_or_digest,
                                      const struct jf_cancel *cancel,
                                      struct jf_registry_manifest *ret,
                                      struct jf_http_outcome *ret_outcome, struct jf_error *err);

// Starts to fetch a blob into `file`, of which `offset` bytes are there already. The
// download fails with JF_CHECKSUM when the content has another digest, and with
// JF_PROTOCOL as soon as it is known to have another size.
enum jf_code jf_registry_get_blob(struct jf_registry *registry, const char *digest, uint64_t size,
                                  const char *file, uint64_t offset, const struct jf_cancel *cancel,
                                  struct jf_download **ret_download, struct jf_error *err);

// Pushing, with actions "pull,push". `ret_outcome` tells about a failure, as above.

// Whether the repository has a blob. A size that the registry tells must be the blob's.
enum jf_code jf_registry_has_blob(struct jf_registry *registry, const char *digest, uint64_t size,
                                  const struct jf_cancel *cancel, bool *ret_has,
                                  struct jf_http_outcome *ret_outcome, struct jf_error *err);

// Sends a file as a blob, in one piece, by POST and PUT.
enum jf_code jf_registry_put_blob(struct jf_registry *registry, const char *digest, uint64_t size,
                                  const char *file, const struct jf_cancel *cancel,
                                  struct jf_http_outcome *ret_outcome, struct jf_error *err);

// Sends a manifest; JF_CHECKSUM when the registry says that it got another.
enum jf_code jf_registry_put_manifest(struct jf_registry *registry, const char *tag_or_digest,
                                      const struct jf_buf *text, const char *media_type,
                                      const struct jf_cancel *cancel,
                                      struct jf_http_outcome *ret_outcome, struct jf_error *err);

#endif
