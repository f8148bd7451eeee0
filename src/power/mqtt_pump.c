// SPDX-License-Identifier: Apache-2.0
#include "power/mqtt_internal.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/wait.h"

// How often the library looks after its keep-alive while nothing comes.
#define MISC_S 1.0

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
    mqtt->granted = count > 0 ? granted[0] : JF_MQTT_QOS_REFUSED;
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

// The reason in a complaint: "Error: WHAT." or OpenSSL's "OpenSSL Error[0]:
// error:0A000086:SSL routines::certificate verify failed".
static const char *reason_in(const char *text) {
    const char *colon = strncmp(text, "OpenSSL ", 8) == 0 ? strrchr(text, ':') : NULL;
    if (colon)
        return colon + 1;
    return strncmp(text, "Error: ", 7) == 0 ? text + 7 : text;
}

static void on_log(struct mosquitto *client, void *self, int level, const char *text) {
    struct jf_mqtt *mqtt = self;
    (void)client;
    if (level != MOSQ_LOG_ERR || mqtt->connack != JF_MQTT_NOTHING)
        return;
    const char *reason = reason_in(text);
    size_t len = strlen(reason);
    size_t used = strlen(mqtt->trouble);
    if (len > 0 && reason[len - 1] == '.')
        len--;
    snprintf(mqtt->trouble + used, sizeof mqtt->trouble - used, "%s%.*s", used ? ", " : "",
             (int)len, reason);
}

void jf_mqtt_listen(struct jf_mqtt *mqtt) {
    mqtt->lib.connect_callback_set(mqtt->client, on_connect);
    mqtt->lib.subscribe_callback_set(mqtt->client, on_subscribe);
    mqtt->lib.publish_callback_set(mqtt->client, on_publish);
    mqtt->lib.message_callback_set(mqtt->client, on_message);
    mqtt->lib.log_callback_set(mqtt->client, on_log);
}

// -----------------------------------------------------------------------------

// The connection is at its end. Who ended it during TLS is not always told: a broker that
// does not believe our certificate says so, but its word may be lost with the connection.
static enum jf_code ended(struct jf_mqtt *mqtt, struct jf_error *err) {
    if (mqtt->connack != JF_MQTT_NOTHING)
        return jf_fail(err, JF_CLOSED, "%s: the broker closed the connection", mqtt->broker);
    if (!mqtt->tls)
        return jf_fail(
            err, JF_CLOSED,
            "%s: the broker closed the connection before it let us in: does it want TLS?",
            mqtt->broker);
    return jf_fail(
        err, JF_IO, "%s: TLS: %s", mqtt->broker,
        mqtt->trouble[0]
            ? mqtt->trouble
            : "the broker broke it off: does it speak TLS there, or want a certificate of ours?");
}

enum jf_code jf_mqtt_failed(struct jf_mqtt *mqtt, int result, int sys_errno, struct jf_error *err) {
    switch (result) {
    case MOSQ_ERR_ERRNO:
        // EPROTO is the library's, after a failure of OpenSSL's.
        if (sys_errno == EPROTO || sys_errno == ECONNRESET || sys_errno == EPIPE)
            return ended(mqtt, err);
        if (sys_errno == 0) // a packet that MQTT does not know
            return jf_fail(err, JF_PROTOCOL, "%s: this is no MQTT broker", mqtt->broker);
        return jf_fail_errno(err, sys_errno, "%s", mqtt->broker);
    case MOSQ_ERR_CONN_LOST:
    case MOSQ_ERR_NO_CONN:
    case MOSQ_ERR_TLS:
        return ended(mqtt, err);
    case MOSQ_ERR_NOMEM:
        return jf_fail(err, JF_LIMIT, "not enough memory");
    case MOSQ_ERR_PROTOCOL:
    case MOSQ_ERR_MALFORMED_PACKET:
        return jf_fail(err, JF_PROTOCOL, "%s: this is no MQTT broker", mqtt->broker);
    default:
        return jf_fail(err, JF_IO, "%s: %s", mqtt->broker, mqtt->lib.strerror(result));
    }
}

// Whether a connection that is no longer there once was: then OpenSSL has sent its first
// words, which it does as soon as it can.
static bool was_connected(int fd) {
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_bytes_sent > 0;
}

// The connection that was begun has come about, or not: the library would only find its
// first write to fail. OpenSSL may have met a refusal, and have forgotten it, before us.
static enum jf_code check_connected(struct jf_mqtt *mqtt, int fd, struct jf_error *err) {
    int sys_errno = 0;
    socklen_t size = sizeof sys_errno;
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys_errno, &size) != 0)
        sys_errno = errno;
    bool gone = getpeername(fd, (struct sockaddr *)&peer, &peer_size) != 0;
    if (gone && was_connected(fd))
        return ended(mqtt, err);
    if (gone || sys_errno != 0)
        return jf_fail_errno(err, sys_errno ? sys_errno : ECONNREFUSED, "%s", mqtt->broker);
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
    return result == MOSQ_ERR_SUCCESS || mqtt->connack > 0
               ? JF_OK
               : jf_mqtt_failed(mqtt, result, sys_errno, err);
}

// Lets the library ping the broker when that is due, and notice one that has gone.
static enum jf_code keep_alive(struct jf_mqtt *mqtt, struct jf_error *err) {
    if (mqtt->connack > 0 || mqtt->lib.loop_misc(mqtt->client) == MOSQ_ERR_SUCCESS)
        return JF_OK;
    return ended(mqtt, err);
}

static enum jf_code advance(struct jf_mqtt *mqtt, int fd, struct jf_error *err) {
    enum jf_code code = mqtt->tcp_connected ? JF_OK : check_connected(mqtt, fd, err);
    if (code == JF_OK)
        code = move(mqtt, fd, err);
    return code == JF_OK ? keep_alive(mqtt, err) : code;
}

enum jf_code jf_mqtt_pump(struct jf_mqtt *mqtt, jf_deadline deadline,
                          const struct jf_cancel *cancel, struct jf_error *err) {
    int fd = mqtt->lib.socket(mqtt->client);
    if (fd < 0)
        return ended(mqtt, err);
    short events = POLLIN;
    if (mqtt->lib.want_write(mqtt->client) || !mqtt->tcp_connected)
        events |= POLLOUT;
    jf_deadline bound = jf_cancel_bound(cancel, deadline);
    jf_deadline slice = jf_deadline_min(bound, jf_deadline_in(MISC_S));
    enum jf_code code = jf_wait_fd(fd, events, slice, cancel, err);
    if (code == JF_OK)
        code = advance(mqtt, fd, err);
    else if (code == JF_TIMEOUT)
        code = keep_alive(mqtt, err);
    else
        return jf_prefix(err, "%s", mqtt->broker);
    if (code == JF_OK && jf_deadline_left_ns(bound) == 0)
        return jf_fail(err, JF_TIMEOUT, "%s: timeout", mqtt->broker);
    return code;
}
