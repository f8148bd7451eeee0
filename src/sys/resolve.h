// SPDX-License-Identifier: Apache-2.0
//
// Looks up a host's IPv4 address without being held up by a name server: the
// caller's deadline and cancellation count.
#ifndef JF_SYS_RESOLVE_H
#define JF_SYS_RESOLVE_H

#include <netinet/in.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

// `host` is a name or an address in dotted form. JF_IO when there is no such host.
enum jf_code jf_resolve(const char *host, uint16_t port, jf_deadline deadline,
                        const struct jf_cancel *cancel, struct sockaddr_in *ret_address,
                        struct jf_error *err);

#endif
