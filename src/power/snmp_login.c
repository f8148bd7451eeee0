// SPDX-License-Identifier: Apache-2.0
//
// Communities, and the users of RFC 3414.
#include "power/snmp_internal.h"

#include <string.h>

#define PROTOCOL_LENGTH 10

struct protocol {
    const char *name;
    oid id[PROTOCOL_LENGTH];
};

// RFC 3414 (MD5, SHA, DES), RFC 3826 (AES) and RFC 7860 (SHA-256, SHA-512).
static const struct protocol auth_protocols[] = {
    {"MD5", {1, 3, 6, 1, 6, 3, 10, 1, 1, 2}},
    {"SHA", {1, 3, 6, 1, 6, 3, 10, 1, 1, 3}},
    {"SHA-256", {1, 3, 6, 1, 6, 3, 10, 1, 1, 5}},
    {"SHA-512", {1, 3, 6, 1, 6, 3, 10, 1, 1, 7}},
    {NULL, {0}},
};
static const struct protocol priv_protocols[] = {
    {"DES", {1, 3, 6, 1, 6, 3, 10, 1, 2, 2}},
    {"AES", {1, 3, 6, 1, 6, 3, 10, 1, 2, 4}},
    {NULL, {0}},
};

static const struct protocol *find(const struct protocol *protocols, const char *name) {
    for (; protocols->name; protocols++)
        if (strcmp(protocols->name, name) == 0)
            return protocols;
    return NULL;
}

// net-snmp does not write to it.
static oid *identity(const struct protocol *protocol) {
    return (oid *)(uintptr_t)protocol->id;
}

// The key of a pass phrase: both kinds are made with the digest of the authentication.
static enum jf_code make_key(const struct jf_snmp_lib *lib, const struct protocol *auth,
                             const char *phrase, const char *what, u_char *key, size_t *length,
                             struct jf_error *err) {
    if (lib->generate_Ku(auth->id, PROTOCOL_LENGTH, (const u_char *)phrase, strlen(phrase), key,
                         length) == SNMPERR_SUCCESS)
        return JF_OK;
    return jf_fail(err, JF_UNSUPPORTED,
                   "the %s pass phrase makes no key: it needs 8 characters or more", what);
}

static enum jf_code authenticate(const struct jf_snmp_lib *lib, const struct jf_snmp_agent *agent,
                                 netsnmp_session *session, struct jf_error *err) {
    const struct protocol *auth = find(auth_protocols, agent->auth_protocol);
    if (!auth)
        return jf_fail(err, JF_UNSUPPORTED, "authentication protocol %s is unknown",
                       agent->auth_protocol);
    session->securityLevel = SNMP_SEC_LEVEL_AUTHNOPRIV;
    session->securityAuthProto = identity(auth);
    session->securityAuthProtoLen = PROTOCOL_LENGTH;
    session->securityAuthKeyLen = sizeof session->securityAuthKey;
    enum jf_code code = make_key(lib, auth, agent->auth_key, "authentication",
                                 session->securityAuthKey, &session->securityAuthKeyLen, err);
    if (code != JF_OK || !agent->priv_protocol)
        return code;
    const struct protocol *priv = find(priv_protocols, agent->priv_protocol);
    if (!priv)
        return jf_fail(err, JF_UNSUPPORTED, "encryption protocol %s is unknown",
                       agent->priv_protocol);
    session->securityLevel = SNMP_SEC_LEVEL_AUTHPRIV;
    session->securityPrivProto = identity(priv);
    session->securityPrivProtoLen = PROTOCOL_LENGTH;
    session->securityPrivKeyLen = sizeof session->securityPrivKey;
    return make_key(lib, auth, agent->priv_key, "encryption", session->securityPrivKey,
                    &session->securityPrivKeyLen, err);
}

enum jf_code jf_snmp_login(const struct jf_snmp_lib *lib, const struct jf_snmp_agent *agent,
                           netsnmp_session *session, struct jf_error *err) {
    if (agent->version != JF_SNMP_3) {
        session->version = agent->version == JF_SNMP_1 ? SNMP_VERSION_1 : SNMP_VERSION_2c;
        session->community = (u_char *)(uintptr_t)agent->community;
        session->community_len = strlen(agent->community);
        return JF_OK;
    }
    session->version = SNMP_VERSION_3;
    // It would wait for the answer where nothing can cancel it: see jf_snmp_discover.
    session->flags |= SNMP_FLAGS_DONT_PROBE;
    session->securityModel = SNMP_SEC_MODEL_USM;
    session->securityName = (char *)(uintptr_t)agent->user;
    session->securityNameLen = strlen(agent->user);
    session->securityLevel = SNMP_SEC_LEVEL_NOAUTH;
    return agent->auth_protocol ? authenticate(lib, agent, session, err) : JF_OK;
}
