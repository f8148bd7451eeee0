// SPDX-License-Identifier: Apache-2.0
#include "power/snmp_lib.h"

#include "sys/library.h"

static const struct jf_symbol symbols[] = {
#define JF_SNMP_SYMBOL(name) {#name, offsetof(struct jf_snmp_lib, name)},
    JF_SNMP_FUNCTIONS(JF_SNMP_SYMBOL)
#undef JF_SNMP_SYMBOL
};

static const struct jf_library library = {
    .file = "libnetsnmp.so.40",
    .need = "talking to SNMP agents",
    .remedy = "apt install libsnmp40",
    .symbols = symbols,
    .count = sizeof symbols / sizeof *symbols,
};

// What init_snmp() does for a client, less what it must not do here: read snmp.conf and
// MIBs, and set the process's locale. The library stays ready until the process ends,
// and knows so: it has the user-based security model then.
static void make_ready(const struct jf_snmp_lib *snmp) {
    if (snmp->find_sec_mod(SNMP_SEC_MODEL_USM))
        return;
    netsnmp_session session;
    snmp->netsnmp_register_loghandler(NETSNMP_LOGHANDLER_NONE, LOG_DEBUG);
    snmp->snmp_sess_init(&session);
    snmp->netsnmp_ds_set_string(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_APPTYPE, "jflash");
    snmp->setup_engineID(NULL, NULL);
    snmp->init_usm();
    // Makes the user without a name, with whom an agent is asked for its engine's identity.
    snmp->snmp_call_callbacks(SNMP_CALLBACK_LIBRARY, SNMP_CALLBACK_POST_PREMIB_READ_CONFIG, NULL);
}

enum jf_code jf_snmp_load(struct jf_snmp_lib *snmp, struct jf_error *err) {
    enum jf_code code = jf_library_load(&library, snmp, &snmp->library, err);
    if (code == JF_OK)
        make_ready(snmp);
    return code;
}

void jf_snmp_unload(struct jf_snmp_lib *snmp) {
    jf_library_unload(&snmp->library);
}
