// SPDX-License-Identifier: Apache-2.0
//
// net-snmp, loaded when the first SNMP agent is asked for: no other run pays for it.
#ifndef JF_POWER_SNMP_LIB_H
#define JF_POWER_SNMP_LIB_H

// The order is net-snmp's.
// clang-format off
#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/library/large_fd_set.h>
#include <net-snmp/library/snmp_logging.h>
#include <net-snmp/library/snmp_secmod.h>
#include <net-snmp/library/snmp_transport.h>
#include <net-snmp/library/snmpusm.h>
// clang-format on

#include "base/error.h"

// The functions that are used.
#define JF_SNMP_FUNCTIONS(X)                                                                       \
    X(create_user_from_session)                                                                    \
    X(find_sec_mod)                                                                                \
    X(generate_Ku)                                                                                 \
    X(init_usm)                                                                                    \
    X(netsnmp_ds_set_string)                                                                       \
    X(netsnmp_large_fd_set_cleanup)                                                                \
    X(netsnmp_large_fd_set_init)                                                                   \
    X(netsnmp_large_fd_setfd)                                                                      \
    X(netsnmp_register_loghandler)                                                                 \
    X(setup_engineID)                                                                              \
    X(snmp_api_errstring)                                                                          \
    X(snmp_call_callbacks)                                                                         \
    X(snmp_errstring)                                                                              \
    X(snmp_free_pdu)                                                                               \
    X(snmp_pdu_add_variable)                                                                       \
    X(snmp_pdu_create)                                                                             \
    X(snmp_sess_async_send)                                                                        \
    X(snmp_sess_close)                                                                             \
    X(snmp_sess_init)                                                                              \
    X(snmp_sess_open)                                                                              \
    X(snmp_sess_read2)                                                                             \
    X(snmp_sess_session)                                                                           \
    X(snmp_sess_timeout)                                                                           \
    X(snmp_sess_transport)                                                                         \
    X(snmpv3_get_report_type)                                                                      \
    X(usm_free_user)                                                                               \
    X(usm_get_user)                                                                                \
    X(usm_remove_user)

struct jf_snmp_lib {
    void *library; // NULL: not loaded
#define JF_SNMP_MEMBER(name) __typeof__(name) *(name);
    JF_SNMP_FUNCTIONS(JF_SNMP_MEMBER)
#undef JF_SNMP_MEMBER
};

// Loads the library, and makes it ready at the first time: without configuration files,
// MIBs, a file that it keeps, or words on stderr. The caller holds net-snmp's lock
// (base/shared.h). JF_UNSUPPORTED, with words about what to install, when it is not there.
enum jf_code jf_snmp_load(struct jf_snmp_lib *snmp, struct jf_error *err);
void jf_snmp_unload(struct jf_snmp_lib *snmp); // accepts one that was not loaded

#endif
