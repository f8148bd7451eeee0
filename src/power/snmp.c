// SPDX-License-Identifier: Apache-2.0
#include "power/snmp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power/snmp_internal.h"
#include "sys/resolve.h"

static struct jf_snmp *new_session(const struct jf_snmp_agent *agent, struct jf_shared *shared) {
    static const char format[] = "SNMP agent udp:%s:%u";
    size_t size = sizeof format + strlen(agent->host) + 5;
    struct jf_snmp *snmp = calloc(1, sizeof *snmp + size);
    if (!snmp)
        return NULL;
    snmp->shared = shared;
    snmp->timeout_s = agent->timeout_s;
    snprintf(snmp->name, size, format, agent->host, (unsigned)agent->port);
    return snmp;
}

// The caller holds net-snmp's lock. `peer` is "udp:ADDRESS:PORT".
static enum jf_code open_handle(struct jf_snmp *snmp, const struct jf_snmp_agent *agent, char *peer,
                                struct jf_error *err) {
    netsnmp_session session;
    snmp->lib.snmp_sess_init(&session);
    session.peername = peer;
    session.retries = agent->retries;
    session.timeout = (long)(agent->timeout_s * 1e6 / (agent->retries + 1));
    enum jf_code code = jf_snmp_login(&snmp->lib, agent, &session, err);
    if (code == JF_OK) {
        snmp->handle = snmp->lib.snmp_sess_open(&session);
        if (!snmp->handle)
            code = jf_fail(err, JF_IO, "%s", snmp->lib.snmp_api_errstring(session.s_snmp_errno));
    }
    explicit_bzero(&session, sizeof session); // it has keys
    if (code != JF_OK)
        return code;
    // Opening forgets it, and then the first request would wait: see jf_snmp_login.
    snmp->lib.snmp_sess_session(snmp->handle)->flags |= SNMP_FLAGS_DONT_PROBE;
    snmp->fd = snmp->lib.snmp_sess_transport(snmp->handle)->sock;
    return fcntl(snmp->fd, F_SETFD, FD_CLOEXEC) == 0 ? JF_OK : jf_fail_errno(err, errno, "socket");
}

static enum jf_code start(struct jf_snmp *snmp, const struct jf_snmp_agent *agent,
                          const struct jf_cancel *cancel, struct jf_error *err) {
    struct sockaddr_in address;
    char peer[sizeof "udp:255.255.255.255:65535"];
    char numbers[INET_ADDRSTRLEN];
    enum jf_code code = jf_resolve(agent->host, agent->port, jf_deadline_in(agent->timeout_s),
                                   cancel, &address, err);
    if (code != JF_OK)
        return code;
    inet_ntop(AF_INET, &address.sin_addr, numbers, sizeof numbers);
    snprintf(peer, sizeof peer, "udp:%s:%u", numbers, (unsigned)agent->port);
    jf_snmp_lock(snmp->shared);
    code = jf_snmp_load(&snmp->lib, err);
    if (code == JF_OK)
        code = open_handle(snmp, agent, peer, err);
    jf_snmp_unlock(snmp->shared);
    return code;
}

enum jf_code jf_snmp_open(const struct jf_snmp_agent *agent, struct jf_shared *shared,
                          const struct jf_cancel *cancel, struct jf_snmp **ret_snmp,
                          struct jf_error *err) {
    struct jf_snmp *snmp = new_session(agent, shared);
    if (!snmp)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    enum jf_code code = start(snmp, agent, cancel, err);
    if (code != JF_OK)
        jf_prefix(err, "%s", snmp->name);
    else if (agent->version == JF_SNMP_3)
        code = jf_snmp_discover(snmp, cancel, err);
    if (code != JF_OK) {
        jf_snmp_close(snmp);
        return code;
    }
    *ret_snmp = snmp;
    return JF_OK;
}

void jf_snmp_close(struct jf_snmp *snmp) {
    if (!snmp)
        return;
    jf_snmp_lock(snmp->shared);
    if (snmp->handle)
        snmp->lib.snmp_sess_close(snmp->handle);
    jf_snmp_unload(&snmp->lib);
    jf_snmp_unlock(snmp->shared);
    free(snmp->request.bytes);
    free(snmp);
}

// Reads "1.3.6.1", also with a dot before it; 0 when it is no number of an object.
static size_t parse_oid(const char *text, oid ret[JF_SNMP_OID_MAX]) {
    size_t length = 0;
    do {
        char *end;
        text += *text == '.';
        unsigned long number = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || number > UINT32_MAX || length == JF_SNMP_OID_MAX)
            return 0;
        ret[length++] = number;
        text = end;
    } while (*text == '.');
    return *text ? 0 : length;
}

// A request for one object; `value` NULL: to read it. NULL, with *err filled, when it cannot
// be made.
static netsnmp_pdu *new_request(struct jf_snmp *snmp, const char *text, const long *value,
                                struct jf_error *err) {
    oid object[JF_SNMP_OID_MAX];
    size_t length = parse_oid(text, object);
    if (!length) {
        jf_fail(err, JF_UNSUPPORTED, "\"%s\" is no number of an object", text);
        return NULL;
    }
    netsnmp_pdu *pdu = snmp->lib.snmp_pdu_create(value ? SNMP_MSG_SET : SNMP_MSG_GET);
    if (pdu && snmp->lib.snmp_pdu_add_variable(pdu, object, length, value ? ASN_INTEGER : ASN_NULL,
                                               value, value ? sizeof *value : 0))
        return pdu;
    if (pdu)
        snmp->lib.snmp_free_pdu(pdu);
    jf_fail(err, JF_LIMIT, "not enough memory");
    return NULL;
}

static enum jf_code request(struct jf_snmp *snmp, const char *text, const long *value,
                            const struct jf_cancel *cancel, struct jf_error *err) {
    struct jf_error reason;
    if (snmp->given_up)
        return jf_fail(err, JF_CLOSED, "%s: the request before this one was given up", snmp->name);
    jf_snmp_lock(snmp->shared);
    netsnmp_pdu *pdu = new_request(snmp, text, value, &reason);
    jf_snmp_unlock(snmp->shared);
    if (pdu)
        return jf_snmp_exchange(snmp, pdu, cancel, err);
    if (err)
        *err = reason;
    return reason.code;
}

enum jf_code jf_snmp_get(struct jf_snmp *snmp, const char *oid, const struct jf_cancel *cancel,
                         struct jf_snmp_value *ret_value, struct jf_error *err) {
    enum jf_code code = request(snmp, oid, NULL, cancel, err);
    if (code == JF_OK)
        *ret_value = snmp->request.value;
    return code;
}

enum jf_code jf_snmp_set(struct jf_snmp *snmp, const char *oid, int32_t value,
                         const struct jf_cancel *cancel, struct jf_error *err) {
    long number = value;
    enum jf_code code = request(snmp, oid, &number, cancel, err);
    if (code == JF_OK && snmp->request.value.type == JF_SNMP_ABSENT)
        return jf_fail(err, JF_PROTOCOL, "%s: %s", snmp->name, snmp->request.words);
    return code;
}
