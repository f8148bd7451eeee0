// SPDX-License-Identifier: Apache-2.0
//
// What the parts of an SNMP session share.
#ifndef JF_POWER_SNMP_INTERNAL_H
#define JF_POWER_SNMP_INTERNAL_H

#include <stdbool.h>

#include "base/clock.h"
#include "power/snmp.h"
#include "power/snmp_lib.h"

// The object identifiers of RFC 3416 have 128 numbers at most.
#define JF_SNMP_OID_MAX 128

enum jf_snmp_outcome {
    JF_SNMP_PENDING,
    JF_SNMP_ANSWERED, // the value is there, or the object is absent
    JF_SNMP_REFUSED,  // by the agent, or by our side of the security model
    JF_SNMP_SILENT,   // no answer in time
};

// One request and what became of it.
struct jf_snmp_request {
    enum jf_snmp_outcome outcome;
    char words[160]; // a copy: net-snmp's own may be in a buffer that all threads share
    struct jf_snmp_value value;
    char *bytes; // what value.bytes points to
};

struct jf_snmp {
    struct jf_snmp_lib lib;
    struct jf_shared *shared;
    void *handle; // of net-snmp's single-session interface
    int fd;       // net-snmp's socket
    double timeout_s;
    bool given_up; // a late answer may come
    struct jf_snmp_request request;
    char name[]; // "SNMP agent udp:HOST:PORT"
};

// net-snmp's lock: held around each call of it that is more than a look at one session.
static inline void jf_snmp_lock(struct jf_shared *shared) {
    pthread_mutex_lock(&shared->net_snmp);
}

static inline void jf_snmp_unlock(struct jf_shared *shared) {
    pthread_mutex_unlock(&shared->net_snmp);
}

// Fills in how a session logs in. The caller holds net-snmp's lock. The session points
// into `agent`.
enum jf_code jf_snmp_login(const struct jf_snmp_lib *lib, const struct jf_snmp_agent *agent,
                           netsnmp_session *session, struct jf_error *err);

// Sends `pdu`, which net-snmp then owns, and waits for what becomes of it: JF_OK with
// snmp->exchange.value, or the codes of jf_snmp_open.
enum jf_code jf_snmp_exchange(struct jf_snmp *snmp, netsnmp_pdu *pdu,
                              const struct jf_cancel *cancel, struct jf_error *err);

// Asks an agent of version 3 for its engine's identity.
enum jf_code jf_snmp_discover(struct jf_snmp *snmp, const struct jf_cancel *cancel,
                              struct jf_error *err);

// What net-snmp calls with an answer, with the struct jf_snmp; see netsnmp_callback.
int jf_snmp_take(int operation, netsnmp_session *session, int request, netsnmp_pdu *pdu,
                 void *argument);

#endif
