// SPDX-License-Identifier: Apache-2.0
#include "power/mqtt_lib.h"

#include "sys/library.h"

static const struct jf_symbol symbols[] = {
#define JF_MQTT_SYMBOL(name) {"mosquitto_" #name, offsetof(struct jf_mqtt_lib, name)},
    JF_MQTT_FUNCTIONS(JF_MQTT_SYMBOL)
#undef JF_MQTT_SYMBOL
};

static const struct jf_library library = {
    .file = "libmosquitto.so.1",
    .need = "talking to an MQTT broker",
    .remedy = "apt install libmosquitto1",
    .symbols = symbols,
    .count = sizeof symbols / sizeof *symbols,
};

// Counts inside the library, and is never balanced: the library stays in memory.
static int initialise(const struct jf_mqtt_lib *lib, struct jf_shared *shared) {
    pthread_mutex_lock(&shared->mosquitto);
    int result = lib->lib_init();
    pthread_mutex_unlock(&shared->mosquitto);
    return result;
}

enum jf_code jf_mqtt_load(struct jf_mqtt_lib *lib, struct jf_shared *shared, struct jf_error *err) {
    enum jf_code code = jf_library_load(&library, lib, &lib->library, err);
    if (code != JF_OK || initialise(lib, shared) == MOSQ_ERR_SUCCESS)
        return code;
    jf_mqtt_unload(lib);
    return jf_fail(err, JF_IO, "%s cannot be used", library.file);
}

void jf_mqtt_unload(struct jf_mqtt_lib *lib) {
    jf_library_unload(&lib->library);
}
