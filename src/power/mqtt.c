// SPDX-License-Identifier: Apache-2.0
#include "power/mqtt.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/wait.h"
#include "power/mqtt_lib.h"
#include "sys/resolve.h"

#define KEEPALIVE_S 60
// How often the library looks after its keep-alive while we wait.
#define MISC_S 1.0
#define QOS_AT_LEAST_ONCE 1
#define QOS_REFUSED 0x80          // of a SUBACK (MQTT 3.1.1, section 3.9.3)
#define LONGEST_PAYLOAD 268435455 // MQTT 3.1.1, section 2.2.3
#define SYSTEM_CERTIFICATES "/etc/ssl/certs"
#define NOTHING (-1)

struct jf_mqtt {
    struct jf_mqtt_lib lib;
    struct mosquitto *client;
    char *broker; // HOST:PORT, for messages
    bool tcp_connected;
    // What the broker answered last; NOTHING while we wait.
    int connack;
    int confirmed; // the number of what it confirmed
    int granted;   // the QoS of a subscription
    struct jf_mqtt_message *messages;
    char trouble[256]; // the library's last complaint
};

// -----------------------------------------------------------------------------
// What the library calls, from within its own functions

static void on_connect(struct mosquitto *client, void *self, int result) {
    struct jf_mqtt *mqtt = self;
    (void)client;
    mqtt->connack = result;
}

static void on_subscribe(struct mosquitto *client, void *self, int id, int count,
                         const int *granted) {
    struct jf_mqtt *mqtt = self;
    (void)client;
    mqtt->confirmed = id;
    mqtt->granted = count > 0 ? granted[0] : QOS_REFUSED;
}

static void on_publish(struct mosquitto *client, void *self, int id) {
    struct jf_mqtt *mqtt = self;
    (void)client;
    mqtt->confirmed = id;
}

static struct jf_mqtt_message *copy_message(const struct mosquitto_message *message) {
    struct jf_mqtt_message *copy = calloc(1, sizeof *copy);
    if (!copy)
        return NULL;
    copy->len = (size_t)message->payloadlen;
    copy->retained = message->retain;
    copy->topic = strdup(message->topic);
    copy->payload = calloc(1, copy->len + 1);
    if (!copy->topic || !copy->payload) {
        jf_mqtt_message_free(copy);
        return NULL;
    }
    if (copy->len)
        memcpy(copy->payload, message->payload, copy->len);
    return copy;
}

static void on_message(struct mosquitto *client, void *self,
                       const struct mosquitto_message *message) {
    struct jf_mqtt *mqtt = self;
    (void)client;
    struct jf_mqtt_message **last = &mqtt->messages;
    while (*last)
        last = &(*last)->next;
    *last = copy_message(message); // without memory it is lost, as on a bad network
}

static void on_log(struct mosquitto *client, void *self, int level, const char *text) {
    struct jf_mqtt *mqtt = self;
    (void)client;
    if (level == MOSQ_LOG_ERR)
        snprintf(mqtt->trouble, sizeof mqtt->trouble, "%s", text);
}

// -----------------------------------------------------------------------------

// A failure of one of the library's functions; errno is of its last system call.
static enum jf_code failed(struct jf_mqtt *mqtt, int result, int sys_errno, struct jf_error *err) {
    const char *more = mqtt->trouble[0] ? ": " : "";
    switch (result) {
    case MOSQ_ERR_ERRNO:
        if (sys_errno == 0) // a packet that MQTT does not know
            return jf_fail(err, JF_PROTOCOL, "%s: this is no MQTT broker", mqtt->broker);
        return jf_fail_errno(err, sys_errno, "%s", mqtt->broker);
    case MOSQ_ERR_CONN_LOST:
    case MOSQ_ERR_NO_CONN:
        return jf_fail(err, JF_CLOSED, "%s: the broker closed the connection%s%s", mqtt->broker,
                       more, mqtt->trouble);
    case MOSQ_ERR_NOMEM:
        return jf_fail(err, JF_LIMIT, "not enough memory");
    case MOSQ_ERR_PROTOCOL:
    case MOSQ_ERR_MALFORMED_PACKET:
        return jf_fail(err, JF_PROTOCOL, "%s: this is no MQTT broker", mqtt->broker);
    default:
        return jf_fail(err, JF_IO, "%s: %s%s%s", mqtt->broker, mqtt->lib.strerror(result), more,
                       mqtt->trouble);
    }
}

// The connection that was begun has come about, or not: the library would only find its
// first write to fail. A refusal that comes at once OpenSSL has taken for its own already.
static enum jf_code check_connected(struct jf_mqtt *mqtt, int fd, struct jf_error *err) {
    int sys_errno = 0;
    socklen_t size = sizeof sys_errno;
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys_errno, &size) != 0 || sys_errno != 0)
        return jf_fail_errno(err, sys_errno, "%s", mqtt->broker);
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) != 0)
        return jf_fail_errno(err, ECONNREFUSED, "%s", mqtt->broker);
    mqtt->tcp_connected = true;
    return JF_OK;
}

// Whether the descriptor can be read or written, without waiting.
static bool is_ready(int fd, short events) {
    struct pollfd poller = {.fd = fd, .events = events};
    return poll(&poller, 1, 0) > 0;
}

static enum jf_code move(struct jf_mqtt *mqtt, int fd, struct jf_error *err) {
    errno = 0;
    int result = MOSQ_ERR_SUCCESS;
    if (is_ready(fd, POLLIN))
        result = mqtt->lib.loop_read(mqtt->client, 1);
    int sys_errno = errno;
    if (result == MOSQ_ERR_SUCCESS && mqtt->lib.want_write(mqtt->client) && is_ready(fd, POLLOUT)) {
        result = mqtt->lib.loop_write(mqtt->client, 1);
        sys_errno = errno;
    }
    // A broker that refuses us says why, and hangs up.
    return result == MOSQ_ERR_SUCCESS || mqtt->connack > 0 ? JF_OK
                                                           : failed(mqtt, result, sys_errno, err);
}

// Waits until something can be moved, and moves it. JF_OK also when nothing came for
// a while.
static enum jf_code pump(struct jf_mqtt *mqtt, jf_deadline deadline, const struct jf_cancel *cancel,
                         struct jf_error *err) {
    int fd = mqtt->lib.socket(mqtt->client);
    if (fd < 0)
        return failed(mqtt, MOSQ_ERR_CONN_LOST, 0, err);
    short events = POLLIN;
    if (mqtt->lib.want_write(mqtt->client) || !mqtt->tcp_connected)
        events |= POLLOUT;
    jf_deadline slice = jf_deadline_min(deadline, jf_deadline_in(MISC_S));
    enum jf_code code = jf_wait_fd(fd, events, slice, cancel, err);
    if (code == JF_TIMEOUT && jf_deadline_left_ns(deadline) > 0)
        return mqtt->lib.loop_misc(mqtt->client) == MOSQ_ERR_SUCCESS
                   ? JF_OK
                   : failed(mqtt, MOSQ_ERR_CONN_LOST, 0, err);
    if (code == JF_OK && jf_deadline_left_ns(deadline) == 0)
        code = jf_fail(err, JF_TIMEOUT,
                       "timeout"); // something always comes, and is not what we wait for
    if (code != JF_OK)
        return jf_prefix(err, "%s", mqtt->broker);
    code = mqtt->tcp_connected ? JF_OK : check_connected(mqtt, fd, err);
    return code == JF_OK ? move(mqtt, fd, err) : code;
}

static enum jf_code await_confirmation(struct jf_mqtt *mqtt, int id, jf_deadline deadline,
                                       const struct jf_cancel *cancel, struct jf_error *err) {
    enum jf_code code = JF_OK;
    while (code == JF_OK && mqtt->confirmed != id)
        code = pump(mqtt, deadline, cancel, err);
    return code;
}

// -----------------------------------------------------------------------------

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
    return result == MOSQ_ERR_SUCCESS ? JF_OK : failed(mqtt, result, errno, err);
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
    return result == MOSQ_ERR_SUCCESS ? JF_OK : failed(mqtt, result, errno, err);
}

static enum jf_code set_up(struct jf_mqtt *mqtt, const struct jf_mqtt_options *options,
                           struct jf_error *err) {
    mqtt->client = mqtt->lib.new(options->client_id, true, mqtt);
    if (!mqtt->client || asprintf(&mqtt->broker, "%s:%u", options->host, options->port) < 0) {
        mqtt->broker = NULL;
        return jf_fail(err, JF_LIMIT, "not enough memory");
    }
    mqtt->lib.connect_callback_set(mqtt->client, on_connect);
    mqtt->lib.subscribe_callback_set(mqtt->client, on_subscribe);
    mqtt->lib.publish_callback_set(mqtt->client, on_publish);
    mqtt->lib.message_callback_set(mqtt->client, on_message);
    mqtt->lib.log_callback_set(mqtt->client, on_log);
    int result = MOSQ_ERR_SUCCESS;
    if (options->username)
        result = mqtt->lib.username_pw_set(mqtt->client, options->username, options->password);
    if (result != MOSQ_ERR_SUCCESS)
        return failed(mqtt, result, errno, err);
    return options->tls ? set_tls(mqtt, options, err) : JF_OK;
}

// The library looks the name up by itself, and waits as long as that takes. It was looked
// up a moment ago, with our deadline; the address that it binds to keeps it to IPv4.
static enum jf_code begin_connect(struct jf_mqtt *mqtt, const struct jf_mqtt_options *options,
                                  jf_deadline deadline, const struct jf_cancel *cancel,
                                  struct jf_error *err) {
    struct sockaddr_in address;
    enum jf_code code = jf_resolve(options->host, options->port, deadline, cancel, &address, err);
    if (code != JF_OK)
        return code;
    int result = mqtt->lib.connect_bind_async(mqtt->client, options->host, options->port,
                                              KEEPALIVE_S, "0.0.0.0");
    return result == MOSQ_ERR_SUCCESS ? JF_OK : failed(mqtt, result, errno, err);
}

static enum jf_code await_connack(struct jf_mqtt *mqtt, jf_deadline deadline,
                                  const struct jf_cancel *cancel, struct jf_error *err) {
    enum jf_code code = JF_OK;
    while (code == JF_OK && mqtt->connack == NOTHING)
        code = pump(mqtt, deadline, cancel, err);
    if (code != JF_OK || mqtt->connack == 0)
        return code;
    return jf_fail(err, JF_PROTOCOL, "%s: %s", mqtt->broker,
                   mqtt->lib.connack_string(mqtt->connack));
}

enum jf_code jf_mqtt_connect(const struct jf_mqtt_options *options, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_mqtt **ret_mqtt,
                             struct jf_error *err) {
    struct jf_mqtt *mqtt = calloc(1, sizeof *mqtt);
    if (!mqtt)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    mqtt->connack = mqtt->confirmed = NOTHING;
    enum jf_code code = jf_mqtt_load(&mqtt->lib, err);
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

enum jf_code jf_mqtt_subscribe(struct jf_mqtt *mqtt, const char *topic, jf_deadline deadline,
                               const struct jf_cancel *cancel, struct jf_error *err) {
    int id = NOTHING;
    mqtt->confirmed = NOTHING;
    int result = mqtt->lib.subscribe(mqtt->client, &id, topic, QOS_AT_LEAST_ONCE);
    if (result != MOSQ_ERR_SUCCESS)
        return failed(mqtt, result, errno, err);
    enum jf_code code = await_confirmation(mqtt, id, deadline, cancel, err);
    if (code == JF_OK && mqtt->granted >= QOS_REFUSED)
        return jf_fail(err, JF_PROTOCOL, "%s: not authorised to subscribe to %s", mqtt->broker,
                       topic);
    return code;
}

enum jf_code jf_mqtt_publish(struct jf_mqtt *mqtt, const char *topic, const void *payload,
                             size_t len, bool retain, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_error *err) {
    int id = NOTHING;
    if (len > LONGEST_PAYLOAD)
        return jf_fail(err, JF_LIMIT, "a message has at most %d bytes", LONGEST_PAYLOAD);
    mqtt->confirmed = NOTHING;
    int result =
        mqtt->lib.publish(mqtt->client, &id, topic, (int)len, payload, QOS_AT_LEAST_ONCE, retain);
    if (result != MOSQ_ERR_SUCCESS)
        return failed(mqtt, result, errno, err);
    return await_confirmation(mqtt, id, deadline, cancel, err);
}

enum jf_code jf_mqtt_receive(struct jf_mqtt *mqtt, jf_deadline deadline,
                             const struct jf_cancel *cancel, struct jf_mqtt_message **ret_message,
                             struct jf_error *err) {
    enum jf_code code = JF_OK;
    while (code == JF_OK && !mqtt->messages)
        code = pump(mqtt, deadline, cancel, err);
    if (code != JF_OK)
        return code;
    *ret_message = mqtt->messages;
    mqtt->messages = mqtt->messages->next;
    (*ret_message)->next = NULL;
    return JF_OK;
}
