// SPDX-License-Identifier: Apache-2.0
//
// Objects of an SNMP agent: read, and set to integers. SNMP versions 1 (RFC 1157), 2c
// (RFC 1901) and 3 with the user-based security model (RFC 3414), over UDP and IPv4.
#ifndef JF_POWER_SNMP_H
#define JF_POWER_SNMP_H

#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/shared.h"

enum jf_snmp_version { JF_SNMP_1, JF_SNMP_2C, JF_SNMP_3 };

struct jf_snmp_agent {
    const char *host; // a name or an IPv4 address
    uint16_t port;
    enum jf_snmp_version version;
    const char *community;     // of versions 1 and 2c
    const char *user;          // of version 3
    const char *auth_protocol; // "MD5", "SHA", "SHA-256", "SHA-512", or NULL: no authentication
    const char *auth_key;      // its pass phrase
    const char *priv_protocol; // "DES", "AES", or NULL: no encryption
    const char *priv_key;
    double timeout_s; // for each request, its repetitions included
    int retries;      // repetitions of what was not answered
};

enum jf_snmp_type { JF_SNMP_ABSENT, JF_SNMP_INTEGER, JF_SNMP_NUMBER, JF_SNMP_BYTES };

struct jf_snmp_value {
    enum jf_snmp_type type;
    int64_t integer;
    double number;
    const char *bytes; // the session's, until its next request; of JF_SNMP_ABSENT the agent's words
    size_t len;
};

struct jf_snmp;

// Opens a session; of version 3 the agent is asked for its engine's identity. Failures
// say which agent it was:
//   JF_TIMEOUT      no answer
//   JF_PROTOCOL     the agent refuses: wrong user, wrong key, another security level
//   JF_UNSUPPORTED  net-snmp is not installed, an unknown protocol or a key that it cannot use
//   JF_IO           no such host; JF_LIMIT; JF_CANCELLED
// `shared` must outlast the session, which belongs to one thread. Close with jf_snmp_close.
enum jf_code jf_snmp_open(const struct jf_snmp_agent *agent, struct jf_shared *shared,
                          const struct jf_cancel *cancel, struct jf_snmp **ret_snmp,
                          struct jf_error *err);
void jf_snmp_close(struct jf_snmp *snmp); // accepts NULL

// Reads the object `oid` ("1.3.6.1…"). An object that the agent does not have is no
// failure, but JF_SNMP_ABSENT.
enum jf_code jf_snmp_get(struct jf_snmp *snmp, const char *oid, const struct jf_cancel *cancel,
                         struct jf_snmp_value *ret_value, struct jf_error *err);

// Sets it to an integer. JF_PROTOCOL when the agent refuses: its words are in the message.
enum jf_code jf_snmp_set(struct jf_snmp *snmp, const char *oid, int32_t value,
                         const struct jf_cancel *cancel, struct jf_error *err);

// Both: after a request that was given up (JF_TIMEOUT, JF_CANCELLED) the session is of no
// further use, and JF_CLOSED.

#endif
