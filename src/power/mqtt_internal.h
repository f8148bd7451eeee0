// SPDX-License-Identifier: Apache-2.0
//
// An MQTT client's parts: mqtt.c is what callers see, mqtt_pump.c what goes on at the
// connection meanwhile.
#ifndef JF_POWER_MQTT_INTERNAL_H
#define JF_POWER_MQTT_INTERNAL_H

#include "power/mqtt.h"
#include "power/mqtt_lib.h"

#define JF_MQTT_NOTHING (-1)
#define JF_MQTT_QOS_REFUSED 0x80 // of a SUBACK (MQTT 3.1.1, section 3.9.3)

struct jf_mqtt {
    struct jf_mqtt_lib lib;
    struct mosquitto *client;
    char *broker; // HOST:PORT, for messages
    bool tls;
    bool tcp_connected;
    // What the broker answered last; JF_MQTT_NOTHING while we wait.
    int connack;
    int confirmed; // the number of what it confirmed
    int granted;   // the QoS of a subscription
    struct jf_mqtt_message *messages;
    char trouble[256]; // the library's complaints since the operation began
};

// Has the library tell us what comes in.
void jf_mqtt_listen(struct jf_mqtt *mqtt);

// A failure of one of the library's functions; errno is of its last system call.
enum jf_code jf_mqtt_failed(struct jf_mqtt *mqtt, int result, int sys_errno, struct jf_error *err);

// Waits until something can be moved, and moves it. JF_OK also when nothing came for a
// while; JF_TIMEOUT when the time was over with the last move, which may have brought
// what the caller waits for.
enum jf_code jf_mqtt_pump(struct jf_mqtt *mqtt, jf_deadline deadline,
                          const struct jf_cancel *cancel, struct jf_error *err);

#endif
