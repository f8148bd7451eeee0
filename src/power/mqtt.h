// SPDX-License-Identifier: Apache-2.0
//
// A client of an MQTT broker (MQTT 3.1.1), for switches that listen there.
#ifndef JF_POWER_MQTT_H
#define JF_POWER_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/shared.h"

struct jf_mqtt_options {
    const char *host; // a name, or an IPv4 address
    uint16_t port;
    const char *client_id; // NULL: one of its own each time
    const char *username;  // NULL: none
    const char *password;
    bool tls;
    const char *cacert; // whom to believe; NULL: what the host's OpenSSL believes
    const char *cert;   // who we are, for brokers that ask; NULL: nobody
    const char *key;
    bool insecure; // takes any certificate's name
};

struct jf_mqtt;

// Connects, and waits until the broker has let us in. JF_IO: it cannot be reached, or
// does not prove who it is; JF_PROTOCOL: it refuses us, and says why. Close with
// jf_mqtt_close. A client is for one thread.
enum jf_code jf_mqtt_connect(const struct jf_mqtt_options *options, struct jf_shared *shared,
                             jf_deadline deadline, const struct jf_cancel *cancel,
                             struct jf_mqtt **ret_mqtt, struct jf_error *err);

// Says goodbye without waiting. Accepts NULL.
void jf_mqtt_close(struct jf_mqtt *mqtt);

// Waits until the broker has confirmed it. What is published from then on is received;
// what the broker had kept of before (retained messages) comes first.
enum jf_code jf_mqtt_subscribe(struct jf_mqtt *mqtt, const char *topic, jf_deadline deadline,
                               const struct jf_cancel *cancel, struct jf_error *err);

// Waits until the broker has it (QoS 1). That says nothing of who listens.
enum jf_code jf_mqtt_publish(struct jf_mqtt *mqtt, const char *topic, const void *payload,
                             size_t len, bool retain, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_error *err);

struct jf_mqtt_message {
    struct jf_mqtt_message *next;
    char *topic;
    char *payload; // with a NUL behind it
    size_t len;
    bool retained; // the broker had kept it: it may be old
};

// Waits for the next message of the topics that were subscribed to. The caller frees
// it with jf_mqtt_message_free.
enum jf_code jf_mqtt_receive(struct jf_mqtt *mqtt, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_mqtt_message **ret_message,
                             struct jf_error *err);
void jf_mqtt_message_free(struct jf_mqtt_message *message); // accepts NULL

#endif
