// SPDX-License-Identifier: Apache-2.0
//
// Docker's credential helpers: programs named docker-credential-NAME that keep
// secrets in a keyring and print them on request.
#ifndef JF_REGISTRY_CREDENTIAL_HELPER_H
#define JF_REGISTRY_CREDENTIAL_HELPER_H

#include "base/cancel.h"
#include "base/clock.h"
#include "registry/auth_file.h"

// Asks the helper for a registry's credentials; `host` as in a reference. JF_OK with
// empty credentials when it says that it has none. Its output is in no message.
// Free *ret with jf_credentials_free.
enum jf_code jf_credential_helper_get(const char *helper, const char *host, jf_deadline deadline,
                                      const struct jf_cancel *cancel, struct jf_credentials *ret,
                                      struct jf_error *err);

#endif
