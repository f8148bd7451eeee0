// SPDX-License-Identifier: Apache-2.0
//
// Where an artifact is: the name of a repository at a registry with a tag or a
// digest (the grammar of the OCI distribution specification, with the short names of
// Docker Hub), a folder in the OCI image layout, or a plain folder.
//
//   oci://HOST[:PORT]/NAME[:TAG][@DIGEST]   also without oci://
//   NAME, USER/NAME                         docker.io/library/NAME, docker.io/USER/NAME
//   oci-layout:DIR[:TAG][@DIGEST]
//   /DIR, ./DIR, ../DIR, ~/DIR
#ifndef JF_REGISTRY_REFERENCE_H
#define JF_REGISTRY_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/error.h"

#define JF_REFERENCE_HOST_SIZE 262              // a name of 255 characters, a colon, a port
#define JF_REFERENCE_NAME_SIZE 256              // the limit of registries
#define JF_REFERENCE_TAG_SIZE 129               // as the distribution specification has it
#define JF_REFERENCE_PATH_SIZE 4096             // PATH_MAX
#define JF_REFERENCE_TEXT_SIZE 4480             // any reference as text
#define JF_DIGEST_SIZE (7 + JF_SHA256_HEX_SIZE) // "sha256:", the digits, a NUL

enum jf_reference_kind {
    JF_REFERENCE_REGISTRY,
    JF_REFERENCE_LAYOUT,
    JF_REFERENCE_DIRECTORY,
};

struct jf_reference {
    enum jf_reference_kind kind;
    char host[JF_REFERENCE_HOST_SIZE]; // with the port; "docker.io" for all of Docker Hub's names
    char name[JF_REFERENCE_NAME_SIZE]; // the repository
    char tag[JF_REFERENCE_TAG_SIZE];   // empty: none; "latest" when there is no digest either
    char digest[JF_DIGEST_SIZE];       // "sha256:…"; empty: none
    char path[JF_REFERENCE_PATH_SIZE]; // of a layout or a directory
};

// Takes a reference apart. JF_PROTOCOL, with words about what is wrong, for what is
// none; JF_UNSUPPORTED for a digest of another algorithm.
enum jf_code jf_reference_parse(const char *text, struct jf_reference *ret_reference,
                                struct jf_error *err);

// The reference in full, with the host, as jf_reference_parse reads it.
void jf_reference_text(const struct jf_reference *reference, char ret[JF_REFERENCE_TEXT_SIZE]);

// Checks "sha256:" and 64 lower-case digits. `what` starts the messages.
enum jf_code jf_oci_digest_check(const char *text, const char *what, struct jf_error *err);

// True for a host, without or with port, that is this machine.
bool jf_reference_is_local(const char *host);

#endif
