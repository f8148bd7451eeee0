// SPDX-License-Identifier: Apache-2.0
//
// What an agent answers.
#include "power/snmp_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void settle(struct jf_snmp_request *request, enum jf_snmp_outcome outcome,
                   const char *words) {
    request->outcome = outcome;
    snprintf(request->words, sizeof request->words, "%s", words);
}

static void absent(struct jf_snmp_request *request, const char *words) {
    settle(request, JF_SNMP_ANSWERED, words);
    request->value = (struct jf_snmp_value){
        .type = JF_SNMP_ABSENT, .bytes = request->words, .len = strlen(request->words)};
}

static void integer(struct jf_snmp_request *request, int64_t number) {
    settle(request, JF_SNMP_ANSWERED, "");
    request->value = (struct jf_snmp_value){.type = JF_SNMP_INTEGER, .integer = number};
}

static void number(struct jf_snmp_request *request, double number) {
    settle(request, JF_SNMP_ANSWERED, "");
    request->value = (struct jf_snmp_value){.type = JF_SNMP_NUMBER, .number = number};
}

static void bytes(struct jf_snmp_request *request, const u_char *text, size_t len) {
    free(request->bytes);
    request->bytes = malloc(len + 1);
    if (!request->bytes) {
        settle(request, JF_SNMP_REFUSED, "not enough memory");
        return;
    }
    if (len)
        memcpy(request->bytes, text, len);
    settle(request, JF_SNMP_ANSWERED, "");
    request->value =
        (struct jf_snmp_value){.type = JF_SNMP_BYTES, .bytes = request->bytes, .len = len};
}

// RFC 3416, section 2: the types of values, and what stands for one that is not there.
static void take_variable(struct jf_snmp_request *request, const netsnmp_variable_list *variable) {
    switch (variable->type) {
    case ASN_INTEGER:
        return integer(request, *variable->val.integer);
    case ASN_COUNTER:
    case ASN_GAUGE: // also Unsigned32
    case ASN_TIMETICKS:
        return integer(request, (uint32_t)*variable->val.integer);
    case ASN_COUNTER64:
        return integer(request, (int64_t)((uint64_t)variable->val.counter64->high << 32 |
                                          (uint32_t)variable->val.counter64->low));
    case ASN_OPAQUE_FLOAT:
        return number(request, *variable->val.floatVal);
    case ASN_OPAQUE_DOUBLE:
        return number(request, *variable->val.doubleVal);
    case ASN_OCTET_STR:
        return bytes(request, variable->val.string, variable->val_len);
    case SNMP_NOSUCHOBJECT:
        return absent(request, "No Such Object available on this agent at this OID");
    case SNMP_NOSUCHINSTANCE:
        return absent(request, "No Such Instance currently exists at this OID");
    default:
        settle(request, JF_SNMP_REFUSED, "the object is neither a number nor a text");
    }
}

static void take_response(struct jf_snmp *snmp, const netsnmp_pdu *pdu) {
    struct jf_snmp_request *request = &snmp->request;
    // Version 1 has no other words for what is not there: RFC 1157, section 4.1.2.
    if (pdu->errstat == SNMP_ERR_NOSUCHNAME)
        absent(request, snmp->lib.snmp_errstring((int)pdu->errstat));
    else if (pdu->errstat != SNMP_ERR_NOERROR)
        settle(request, JF_SNMP_REFUSED, snmp->lib.snmp_errstring((int)pdu->errstat));
    else if (pdu->variables)
        take_variable(request, pdu->variables);
    else
        settle(request, JF_SNMP_REFUSED, "the answer is empty");
}

// RFC 3414, section 3.2: what an agent says when it does not take a message. Of one that
// is outside the time window net-snmp learns the agent's clock, and sends it again.
static void take_report(struct jf_snmp *snmp, netsnmp_session *session, netsnmp_pdu *pdu) {
    session->s_snmp_errno = snmp->lib.snmpv3_get_report_type(pdu);
    if (session->s_snmp_errno != SNMPERR_NOT_IN_TIME_WINDOW)
        settle(&snmp->request, JF_SNMP_REFUSED,
               snmp->lib.snmp_api_errstring(session->s_snmp_errno));
}

int jf_snmp_take(int operation, netsnmp_session *session, int request_id, netsnmp_pdu *pdu,
                 void *argument) {
    struct jf_snmp *snmp = argument;
    (void)request_id;
    switch (operation) {
    case NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE:
        if (pdu->command == SNMP_MSG_REPORT)
            take_report(snmp, session, pdu);
        else
            take_response(snmp, pdu);
        break;
    case NETSNMP_CALLBACK_OP_TIMED_OUT:
        settle(&snmp->request, JF_SNMP_SILENT, "");
        break;
    case NETSNMP_CALLBACK_OP_SEND_FAILED:
        settle(&snmp->request, JF_SNMP_REFUSED,
               snmp->lib.snmp_api_errstring(session->s_snmp_errno));
        break;
    default: // a repetition, or a report that is about to be received
        break;
    }
    return 1;
}
