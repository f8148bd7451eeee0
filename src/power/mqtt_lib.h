// SPDX-License-Identifier: Apache-2.0
//
// libmosquitto, loaded when the first broker is asked for: no other run pays for it.
#ifndef JF_POWER_MQTT_LIB_H
#define JF_POWER_MQTT_LIB_H

#include <mosquitto.h>

#include "base/error.h"
#include "base/shared.h"

// The functions that are used, by their names without "mosquitto_".
#define JF_MQTT_FUNCTIONS(X)                                                                       \
    X(lib_init)                                                                                    \
    X(new)                                                                                         \
    X(destroy)                                                                                     \
    X(int_option)                                                                                  \
    X(username_pw_set)                                                                             \
    X(tls_set)                                                                                     \
    X(tls_insecure_set)                                                                            \
    X(connect_bind_async)                                                                          \
    X(disconnect)                                                                                  \
    X(subscribe)                                                                                   \
    X(publish)                                                                                     \
    X(sub_topic_check)                                                                             \
    X(pub_topic_check)                                                                             \
    X(socket)                                                                                      \
    X(want_write)                                                                                  \
    X(loop_read)                                                                                   \
    X(loop_write)                                                                                  \
    X(loop_misc)                                                                                   \
    X(connect_callback_set)                                                                        \
    X(subscribe_callback_set)                                                                      \
    X(publish_callback_set)                                                                        \
    X(message_callback_set)                                                                        \
    X(log_callback_set)                                                                            \
    X(strerror)                                                                                    \
    X(connack_string)

struct jf_mqtt_lib {
    void *library; // NULL: not loaded
#define JF_MQTT_MEMBER(name) __typeof__(mosquitto_##name) *(name);
    JF_MQTT_FUNCTIONS(JF_MQTT_MEMBER)
#undef JF_MQTT_MEMBER
};

// JF_UNSUPPORTED, with words about what to install, when it is not there. Any thread.
enum jf_code jf_mqtt_load(struct jf_mqtt_lib *lib, struct jf_shared *shared, struct jf_error *err);
void jf_mqtt_unload(struct jf_mqtt_lib *lib); // accepts one that was not loaded

#endif
