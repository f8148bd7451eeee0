// SPDX-License-Identifier: Apache-2.0
#include "power/mqtt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "power/mqtt_internal.h"
#include "sys/resolve.h"

#define KEEPALIVE_S 60
#define QOS_AT_LEAST_ONCE 1
#define LONGEST_PAYLOAD 268435455 // MQTT 3.1.1, section 2.2.3
#define SYSTEM_CERTIFICATES "/etc/ssl/certs"

// Files are read when the connection is made, but whether they are there is known now.
static enum jf_code set_files(struct jf_mqtt *mqtt, const struct jf_mqtt_options *options,
                              struct jf_error *err) {
    // The library takes a client's certificate together with authorities alone.
    const char *folder = options->cacert ? NULL : SYSTEM_CERTIFICATES;
    int result =
        mqtt->lib.tls_set(mqtt->client, options->cacert, folder, options->cert, options->key, NULL);
    if (result == MOSQ_ERR_INVAL)
        return jf_fail(
            err, JF_IO, "a certificate or key cannot be read: cacert %s, cert %s, key %s",
            options->cacert ? options->cacert : folder, options->cert ? options->cert : "none",
            options->key ? options->key : "none");
    return result == MOSQ_ERR_SUCCESS ? JF_OK : jf_mqtt_failed(mqtt, result, errno, err);
}

static enum jf_code set_tls(struct jf_mqtt *mqtt, const struct jf_mqtt_options *options,
                            struct jf_error *err) {
    int result = MOSQ_ERR_SUCCESS;
    if (options->cacert || options->cert) {
        enum jf_code code = set_files(mqtt, options, err);
        if (code != JF_OK)
            return code;
    } else {
        result = mqtt->lib.int_option(mqtt->client, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
    }
    if (result == MOSQ_ERR_SUCCESS && options->insecure)
        result = mqtt->lib.tls_insecure_set(mqtt->client, true);
    return result == MOSQ_ERR_SUCCESS ? JF_OK : jf_mqtt_failed(mqtt, result, errno, err);
}

static enum jf_code set_up(struct jf_mqtt *mqtt, const struct jf_mqtt_options *options,
                           struct jf_error *err) {
    mqtt->client = mqtt->lib.new(options->client_id, true, mqtt);
    if (!mqtt->client || asprintf(&mqtt->broker, "%s:%u", options->host, options->port) < 0) {
        mqtt->broker = NULL;
        return jf_fail(err, JF_LIMIT, "not enough memory");
    }
    mqtt->tls = options->tls;
    jf_mqtt_listen(mqtt);
    if (options->password && !options->username)
        return jf_fail(err, JF_PROTOCOL, "%s: a password needs a user name", mqtt->broker);
    int result = MOSQ_ERR_SUCCESS;
    if (options->username)
        result = mqtt->lib.username_pw_set(mqtt->client, options->username, options->password);
    if (result != MOSQ_ERR_SUCCESS)
        return jf_mqtt_failed(mqtt, result, errno, err);
    return options->tls ? set_tls(mqtt, options, err) : JF_OK;
}

// The library looks a name up by itself, and waits as long as that takes: it gets the
// address, but for TLS, where the name counts. That one was looked up a moment ago, and
// the address that the library binds to keeps it to IPv4.
static enum jf_code begin_connect(struct jf_mqtt *mqtt, const struct jf_mqtt_options *options,
                                  jf_deadline deadline, const struct jf_cancel *cancel,
                                  struct jf_error *err) {
    struct sockaddr_in address;
    char numbers[INET_ADDRSTRLEN];
    enum jf_code code = jf_resolve(options->host, options->port, deadline, cancel, &address, err);
    if (code != JF_OK)
        return code;
    inet_ntop(AF_INET, &address.sin_addr, numbers, sizeof numbers);
    int result = mqtt->lib.connect_bind_async(mqtt->client, options->tls ? options->host : numbers,
                                              options->port, KEEPALIVE_S, "0.0.0.0");
    return result == MOSQ_ERR_SUCCESS ? JF_OK : jf_mqtt_failed(mqtt, result, errno, err);
}

static enum jf_code await_connack(struct jf_mqtt *mqtt, jf_deadline deadline,
                                  const struct jf_cancel *cancel, struct jf_error *err) {
    enum jf_code code = JF_OK;
    while (code == JF_OK && mqtt->connack == JF_MQTT_NOTHING)
        code = jf_mqtt_pump(mqtt, deadline, cancel, err);
    if (mqtt->connack == 0)
        return JF_OK;
    if (mqtt->connack > 0)
        return jf_fail(err, JF_PROTOCOL, "%s: %s", mqtt->broker,
                       mqtt->lib.connack_string(mqtt->connack));
    if (code == JF_TIMEOUT)
        return jf_fail(err, code, "%s: %s before the time was over", mqtt->broker,
                       mqtt->tcp_connected ? "the server took the connection, but did not let us in"
                                           : "no connection came about");
    return code;
}

enum jf_code jf_mqtt_connect(const struct jf_mqtt_options *options, struct jf_shared *shared,
                             jf_deadline deadline, const struct jf_cancel *cancel,
                             struct jf_mqtt **ret_mqtt, struct jf_error *err) {
    struct jf_mqtt *mqtt = calloc(1, sizeof *mqtt);
    if (!mqtt)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    mqtt->connack = mqtt->confirmed = JF_MQTT_NOTHING;
    enum jf_code code = jf_mqtt_load(&mqtt->lib, shared, err);
    if (code == JF_OK)
        code = set_up(mqtt, options, err);
    if (code == JF_OK)
        code = begin_connect(mqtt, options, deadline, cancel, err);
    if (code == JF_OK)
        code = await_connack(mqtt, deadline, cancel, err);
    if (code == JF_OK)
        *ret_mqtt = mqtt;
    else
        jf_mqtt_close(mqtt);
    return code;
}

void jf_mqtt_message_free(struct jf_mqtt_message *message) {
    if (!message)
        return;
    free(message->topic);
    free(message->payload);
    free(message);
}

void jf_mqtt_close(struct jf_mqtt *mqtt) {
    if (!mqtt)
        return;
    if (mqtt->client) {
        mqtt->lib.disconnect(mqtt->client);
        mqtt->lib.destroy(mqtt->client);
    }
    jf_mqtt_unload(&mqtt->lib);
    while (mqtt->messages) {
        struct jf_mqtt_message *message = mqtt->messages;
        mqtt->messages = message->next;
        jf_mqtt_message_free(message);
    }
    free(mqtt->broker);
    free(mqtt);
}

// -----------------------------------------------------------------------------

static enum jf_code await_confirmation(struct jf_mqtt *mqtt, int id, const char *topic,
                                       jf_deadline deadline, const struct jf_cancel *cancel,
                                       struct jf_error *err) {
    enum jf_code code = JF_OK;
    while (code == JF_OK && mqtt->confirmed != id)
        code = jf_mqtt_pump(mqtt, deadline, cancel, err);
    if (mqtt->confirmed == id)
        return JF_OK;
    if (code == JF_TIMEOUT)
        return jf_fail(err, code, "%s: the broker did not confirm %s before the time was over",
                       mqtt->broker, topic);
    return code;
}

enum jf_code jf_mqtt_subscribe(struct jf_mqtt *mqtt, const char *topic, jf_deadline deadline,
                               const struct jf_cancel *cancel, struct jf_error *err) {
    int id = JF_MQTT_NOTHING;
    if (!*topic || mqtt->lib.sub_topic_check(topic) != MOSQ_ERR_SUCCESS)
        return jf_fail(err, JF_PROTOCOL, "\"%s\" is no topic to subscribe to", topic);
    mqtt->confirmed = JF_MQTT_NOTHING;
    int result = mqtt->lib.subscribe(mqtt->client, &id, topic, QOS_AT_LEAST_ONCE);
    if (result != MOSQ_ERR_SUCCESS)
        return jf_mqtt_failed(mqtt, result, errno, err);
    enum jf_code code = await_confirmation(mqtt, id, topic, deadline, cancel, err);
    if (code == JF_OK && mqtt->granted >= JF_MQTT_QOS_REFUSED)
        return jf_fail(err, JF_PROTOCOL, "%s: not authorised to subscribe to %s", mqtt->broker,
                       topic);
    return code;
}

enum jf_code jf_mqtt_publish(struct jf_mqtt *mqtt, const char *topic, const void *payload,
                             size_t len, bool retain, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_error *err) {
    int id = JF_MQTT_NOTHING;
    if (len > LONGEST_PAYLOAD)
        return jf_fail(err, JF_LIMIT, "a message has at most %d bytes", LONGEST_PAYLOAD);
    if (!*topic || mqtt->lib.pub_topic_check(topic) != MOSQ_ERR_SUCCESS)
        return jf_fail(err, JF_PROTOCOL, "\"%s\" is no topic to publish to", topic);
    mqtt->confirmed = JF_MQTT_NOTHING;
    int result =
        mqtt->lib.publish(mqtt->client, &id, topic, (int)len, payload, QOS_AT_LEAST_ONCE, retain);
    if (result != MOSQ_ERR_SUCCESS)
        return jf_mqtt_failed(mqtt, result, errno, err);
    return await_confirmation(mqtt, id, topic, deadline, cancel, err);
}

enum jf_code jf_mqtt_receive(struct jf_mqtt *mqtt, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_mqtt_message **ret_message,
                             struct jf_error *err) {
    enum jf_code code = JF_OK;
    while (code == JF_OK && !mqtt->messages)
        code = jf_mqtt_pump(mqtt, deadline, cancel, err);
    if (!mqtt->messages && code == JF_TIMEOUT)
        return jf_fail(err, code, "%s: no message came before the time was over", mqtt->broker);
    if (!mqtt->messages)
        return code;
    *ret_message = mqtt->messages;
    mqtt->messages = mqtt->messages->next;
    (*ret_message)->next = NULL;
    return JF_OK;
}
