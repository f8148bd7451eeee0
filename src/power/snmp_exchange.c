// SPDX-License-Identifier: Apache-2.0
//
// One request of a session and the wait for its answer. net-snmp sends, repeats and
// parses; the waiting is ours, so that a deadline and a cancellation count.
#include "power/snmp_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/wait.h"

// How often net-snmp may see whether it is time to send the request again.
#define TICK_S 0.05

// net-snmp has one entry per engine and user for the whole process, and keeps the keys
// of whoever made it: that may be another session, with other keys. The caller holds the
// lock.
static void use_own_keys(struct jf_snmp *snmp) {
    netsnmp_session *session = snmp->lib.snmp_sess_session(snmp->handle);
    if (session->version != SNMP_VERSION_3 || !session->securityEngineIDLen)
        return;
    struct usmUser *user = snmp->lib.usm_get_user(
        session->securityEngineID, session->securityEngineIDLen, session->securityName);
    if (user) {
        snmp->lib.usm_remove_user(user);
        snmp->lib.usm_free_user(user);
    }
    session->flags &= ~(u_long)SNMP_FLAGS_USER_CREATED;
    snmp->lib.create_user_from_session(session);
}

// The caller holds the lock. Takes `pdu`.
static enum jf_code post(struct jf_snmp *snmp, netsnmp_pdu *pdu, struct jf_error *err) {
    use_own_keys(snmp);
    snmp->request.outcome = JF_SNMP_PENDING;
    if (snmp->lib.snmp_sess_async_send(snmp->handle, pdu, jf_snmp_take, snmp))
        return JF_OK;
    int sys_errno = errno;
    int reason = snmp->lib.snmp_sess_session(snmp->handle)->s_snmp_errno;
    snmp->lib.snmp_free_pdu(pdu);
    if (reason == SNMPERR_BAD_SENDTO)
        return jf_fail_errno(err, sys_errno, "%s", snmp->name);
    return jf_fail(err, JF_PROTOCOL, "%s: %s", snmp->name, snmp->lib.snmp_api_errstring(reason));
}

static void read_answer(struct jf_snmp *snmp) {
    netsnmp_large_fd_set ready;
    jf_snmp_lock(snmp->shared);
    use_own_keys(snmp);
    snmp->lib.netsnmp_large_fd_set_init(&ready, snmp->fd + 1);
    snmp->lib.netsnmp_large_fd_setfd(snmp->fd, &ready);
    snmp->lib.snmp_sess_read2(snmp->handle, &ready);
    snmp->lib.netsnmp_large_fd_set_cleanup(&ready);
    jf_snmp_unlock(snmp->shared);
}

static void send_again(struct jf_snmp *snmp) {
    jf_snmp_lock(snmp->shared);
    use_own_keys(snmp);
    snmp->lib.snmp_sess_timeout(snmp->handle);
    jf_snmp_unlock(snmp->shared);
}

static enum jf_code wait_answer(struct jf_snmp *snmp, jf_deadline deadline,
                                const struct jf_cancel *cancel, struct jf_error *err) {
    while (snmp->request.outcome == JF_SNMP_PENDING) {
        enum jf_code code = cancel ? jf_cancel_check(cancel, err) : JF_OK;
        if (code != JF_OK)
            return code;
        if (jf_deadline_left_ns(deadline) == 0) {
            snmp->request.outcome = JF_SNMP_SILENT;
            return JF_OK;
        }
        jf_deadline tick = jf_deadline_min(deadline, jf_deadline_in(TICK_S));
        code = jf_wait_fd(snmp->fd, POLLIN, tick, cancel, err);
        if (code == JF_OK)
            read_answer(snmp);
        else if (code == JF_TIMEOUT)
            send_again(snmp);
        else
            return code;
    }
    return JF_OK;
}

// What an agent cannot decrypt it may well drop, so that a wrong key looks like no agent:
// but one that has told its engine's identity is there.
static enum jf_code fail_silent(struct jf_snmp *snmp, struct jf_error *err) {
    const netsnmp_session *session = snmp->lib.snmp_sess_session(snmp->handle);
    const char *what = "";
    if (session->securityEngineIDLen > 0)
        what = session->securityLevel == SNMP_SEC_LEVEL_AUTHPRIV
                   ? " to an encrypted request, though it answered before"
                   : ", though it answered before";
    return jf_fail(err, JF_TIMEOUT, "%s: No Response%s", snmp->name, what);
}

enum jf_code jf_snmp_exchange(struct jf_snmp *snmp, netsnmp_pdu *pdu,
                              const struct jf_cancel *cancel, struct jf_error *err) {
    jf_deadline deadline = jf_deadline_in(snmp->timeout_s);
    jf_snmp_lock(snmp->shared);
    enum jf_code code = post(snmp, pdu, err);
    jf_snmp_unlock(snmp->shared);
    if (code != JF_OK)
        return code;
    code = wait_answer(snmp, deadline, cancel, err);
    snmp->given_up = code != JF_OK || snmp->request.outcome == JF_SNMP_SILENT;
    if (code != JF_OK)
        return jf_prefix(err, "%s", snmp->name);
    if (snmp->request.outcome == JF_SNMP_SILENT)
        return fail_silent(snmp, err);
    if (snmp->request.outcome == JF_SNMP_REFUSED)
        return jf_fail(err, JF_PROTOCOL, "%s: %s", snmp->name, snmp->request.words);
    return JF_OK;
}

// RFC 3414, section 4: a message without user and engine, which the agent reports as one
// for an unknown engine, and names its own. net-snmp keeps that in the session.
static netsnmp_pdu *new_probe(const struct jf_snmp_lib *lib) {
    netsnmp_pdu *pdu = lib->snmp_pdu_create(SNMP_MSG_GET);
    if (!pdu)
        return NULL;
    pdu->version = SNMP_VERSION_3;
    pdu->securityName = strdup("");
    pdu->securityNameLen = 0;
    pdu->securityLevel = SNMP_SEC_LEVEL_NOAUTH;
    pdu->securityModel = SNMP_SEC_MODEL_USM;
    return pdu;
}

enum jf_code jf_snmp_discover(struct jf_snmp *snmp, const struct jf_cancel *cancel,
                              struct jf_error *err) {
    jf_snmp_lock(snmp->shared);
    netsnmp_pdu *pdu = new_probe(&snmp->lib);
    jf_snmp_unlock(snmp->shared);
    if (!pdu)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    enum jf_code code = jf_snmp_exchange(snmp, pdu, cancel, err);
    if (code == JF_PROTOCOL && snmp->lib.snmp_sess_session(snmp->handle)->securityEngineIDLen > 0)
        return JF_OK;
    if (code == JF_OK)
        return jf_fail(err, JF_PROTOCOL, "%s: it does not tell its engine's identity", snmp->name);
    return code;
}
