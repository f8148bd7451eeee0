// SPDX-License-Identifier: Apache-2.0
//
// One request, from its header to its end; all on the library's thread. The
// library calls jf_http_on_request once for the header, then for each piece of a
// body, and once more behind it; jf_http_on_completed always comes last.
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/http_reply.h"
#include "serve/http_server.h"
#include "serve/http_sink.h"

// How much of a body that nobody wants is read, so that its client lives to see
// the status; behind it the connection is cut.
#define DISCARD_BYTES (16 << 20)

enum method { GET, HEAD, SEND, OTHER };

struct request {
    struct jf_http *http;
    struct MHD_Connection *connection;
    enum method method;
    struct jf_http_content *content; // NULL: not found
    struct jf_http_record *record;   // NULL when not found
    struct jf_http_sink *sink;       // of an upload that goes well
    bool receiving;                  // holds the upload's one place
    bool received;
    bool consuming; // is the stream's one consumer
    int64_t discarded;
    unsigned refusal; // the status it gets instead, or 0
    const char *allow;
    char why[256]; // of a failure that this side decided
};

struct jf_http_content *jf_http_find(const struct jf_http *http, const char *name) {
    struct jf_http_content *content = http->contents;
    while (content && strcmp(content->name, name) != 0)
        content = content->next;
    return content;
}

static enum method method_of(const char *method) {
    if (strcmp(method, MHD_HTTP_METHOD_GET) == 0)
        return GET;
    if (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0)
        return HEAD;
    if (strcmp(method, MHD_HTTP_METHOD_PUT) == 0 || strcmp(method, MHD_HTTP_METHOD_POST) == 0)
        return SEND;
    return OTHER;
}

static const char *header(const struct request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static struct sockaddr_in client_of(struct MHD_Connection *connection) {
    struct sockaddr_in address = {0};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr->sa_family == AF_INET)
        memcpy(&address, info->client_addr, sizeof address);
    return address;
}

static void refuse(struct request *request, unsigned status, const char *why) {
    request->refusal = status;
    snprintf(request->why, sizeof request->why, "%.*s", (int)sizeof request->why - 1, why);
}

// The name in "/TOKEN/NAME", or NULL.
static const char *name_in(const struct jf_http *http, const char *url) {
    size_t token_len = strlen(http->token);
    if (url[0] != '/' || strnlen(url + 1, token_len) < token_len ||
        gnutls_memcmp(url + 1, http->token, token_len) != 0 || url[1 + token_len] != '/')
        return NULL;
    return url + 1 + token_len + 1;
}

// Under the lock. False when memory is out.
static bool begin_record(struct request *request, const struct sockaddr_in *client,
                         const char *method) {
    struct jf_http_transfer info = {.total = JF_HTTP_UNKNOWN};
    char address[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &client->sin_addr, address, sizeof address);
    snprintf(info.name, sizeof info.name, "%s", request->content->name);
    snprintf(info.client, sizeof info.client, "%s:%u", address, ntohs(client->sin_port));
    snprintf(info.method, sizeof info.method, "%s", method);
    request->record = jf_http_history_begin(&request->http->history, &info);
    return request->record != NULL;
}

// Under the lock: finds the content, or refuses. False when memory is out.
static bool look_up(struct request *request, const char *url, const char *method) {
    struct jf_http *http = request->http;
    struct sockaddr_in client = client_of(request->connection);
    http->requests++;
    const char *name = name_in(http, url);
    struct jf_http_content *content = name ? jf_http_find(http, name) : NULL;
    if (content) {
        request->content = jf_http_content_ref(content);
        if (!begin_record(request, &client, method))
            return false;
    }
    if (http->is_limited && client.sin_addr.s_addr != http->only.s_addr)
        refuse(request, MHD_HTTP_FORBIDDEN, "another client than the board");
    else if (!content)
        refuse(request, MHD_HTTP_NOT_FOUND, "no such name");
    return true;
}

static void check_method(struct request *request) {
    bool takes = request->content->kind == JF_HTTP_UPLOAD;
    if (request->method == OTHER || takes != (request->method == SEND)) {
        request->allow = takes ? "PUT, POST" : "GET, HEAD";
        refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method not allowed for this name");
    }
}

static int64_t announced_bytes(const struct request *request) {
    const char *length = header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    // The library has checked its form.
    return length ? (int64_t)strtoll(length, NULL, 10) : JF_HTTP_UNKNOWN;
}

static void refuse_too_large(struct request *request) {
    refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "");
    snprintf(request->why, sizeof request->why,
             "the upload is larger than the limit of %" PRId64 " bytes", request->content->limit);
}

// Takes the upload's one place, or refuses.
static void reserve_upload(struct request *request) {
    struct jf_http_content *content = request->content;
    pthread_mutex_lock(&request->http->lock);
    if (content->received || content->removed)
        refuse(request, MHD_HTTP_GONE, "the name has received its upload");
    else if (content->receiving)
        refuse(request, MHD_HTTP_CONFLICT, "another client is sending");
    else
        content->receiving = request->receiving = request->record->counts = true;
    pthread_mutex_unlock(&request->http->lock);
}

static void begin_upload(struct request *request) {
    struct jf_error err;
    int64_t announced = announced_bytes(request);
    reserve_upload(request);
    if (request->refusal)
        return;
    pthread_mutex_lock(&request->http->lock);
    request->record->info.total = announced;
    pthread_mutex_unlock(&request->http->lock);
    if (announced > request->content->limit)
        refuse_too_large(request);
    else if (jf_http_sink_open(request->content->path, request->content->limit, &request->sink,
                               &err) != JF_OK)
        refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, err.message);
}

static void free_request(struct request *request) {
    jf_http_sink_free(request->sink);
    jf_http_content_unref(request->content);
    free(request);
}

void jf_http_on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                           enum MHD_ConnectionNotificationCode what) {
    struct jf_http *http = context;
    (void)connection;
    (void)socket_context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        http->connections++;
    else
        http->connections--;
}

// Connections that clients keep for later would shut others out: from half the
// limit on none is kept.
static bool is_crowded(const struct jf_http *http) {
    return http->connections > http->connection_limit / 2;
}

static enum MHD_Result queue_reply(struct request *request, const struct jf_http_reply *reply) {
    if (request->record) {
        pthread_mutex_lock(&request->http->lock);
        request->record->info.status = reply->status;
        pthread_mutex_unlock(&request->http->lock);
    }
    if (is_crowded(request->http))
        MHD_add_response_header(reply->response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result queued =
        MHD_queue_response(request->connection, reply->status, reply->response);
    MHD_destroy_response(reply->response);
    return queued;
}

static enum MHD_Result send_empty(struct request *request, unsigned status) {
    struct jf_http_reply reply;
    if (jf_http_reply_empty(status, request->allow, &reply) != JF_OK)
        return MHD_NO;
    return queue_reply(request, &reply);
}

static void take_stream(struct request *request) {
    bool active;
    if (request->method != GET)
        return;
    if (jf_http_stream_take(request->content->stream, request->connection, &active))
        request->consuming = true;
    else
        refuse(request, active ? MHD_HTTP_CONFLICT : MHD_HTTP_GONE,
               active ? "another client is reading it" : "it has been read already");
}

static void watch_transfer(struct request *request, const struct jf_http_reply *reply) {
    struct jf_http_record *record = request->record;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    pthread_mutex_lock(&request->http->lock);
    record->info.total = request->method == GET ? reply->range.count : 0;
    record->info.first_byte = reply->range.first;
    record->counts = request->method == GET && reply->status < MHD_HTTP_BAD_REQUEST;
    if (record->counts && request->consuming)
        record->stream = request->content->stream;
    else if (record->counts && info)
        jf_http_record_watch(record, info->connect_fd);
    pthread_mutex_unlock(&request->http->lock);
}

static enum MHD_Result serve(struct request *request) {
    struct jf_http_content *content = request->content;
    struct jf_http_reply reply;
    struct jf_http_ask ask = {0};
    if (content->kind == JF_HTTP_STREAM)
        take_stream(request);
    if (content->kind == JF_HTTP_FILE && !jf_http_content_unchanged(content))
        refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "the file changed since it was registered");
    if (request->refusal)
        return send_empty(request, request->refusal);
    if (request->method == GET) {
        ask.range = header(request, MHD_HTTP_HEADER_RANGE);
        ask.if_range = header(request, MHD_HTTP_HEADER_IF_RANGE);
    }
    if (jf_http_reply_content(content, &ask, &reply) != JF_OK) {
        refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory or descriptors");
        return send_empty(request, request->refusal);
    }
    if (reply.status == MHD_HTTP_RANGE_NOT_SATISFIABLE)
        refuse(request, reply.status, "the range is outside the content");
    watch_transfer(request, &reply);
    return queue_reply(request, &reply);
}

static enum MHD_Result finish_upload(struct request *request) {
    struct jf_http_content *content = request->content;
    struct jf_error err;
    int64_t bytes;
    char sha256[JF_SHA256_HEX_SIZE];
    // Committing under the lock keeps a removal from coming in between.
    pthread_mutex_lock(&request->http->lock);
    if (content->removed) {
        refuse(request, MHD_HTTP_GONE, "the name was taken away");
    } else if (jf_http_sink_commit(request->sink, &bytes, sha256, &err) != JF_OK) {
        refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, err.message);
    } else {
        content->received = request->received = true;
        content->received_bytes = bytes;
        memcpy(content->received_sha256, sha256, sizeof sha256);
    }
    pthread_mutex_unlock(&request->http->lock);
    return send_empty(request, request->refusal ? request->refusal : MHD_HTTP_CREATED);
}

// A piece of a body. MHD_NO cuts the connection.
static enum MHD_Result take_piece(struct request *request, const char *bytes, size_t len) {
    struct jf_error err;
    if (request->sink && !request->refusal) {
        enum jf_code code = jf_http_sink_write(request->sink, bytes, len, &err);
        if (code == JF_LIMIT)
            refuse_too_large(request);
        else if (code != JF_OK)
            refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, err.message);
    }
    if (!request->refusal && request->sink) {
        pthread_mutex_lock(&request->http->lock);
        request->record->info.bytes += (int64_t)len;
        bool removed = request->content->removed;
        pthread_mutex_unlock(&request->http->lock);
        return removed ? MHD_NO : MHD_YES;
    }
    request->discarded += (int64_t)len;
    return request->discarded > DISCARD_BYTES ? MHD_NO : MHD_YES;
}

// Whether a refusal is told before the body came: its client waits for leave to
// send it, or it is more than will be read.
static bool refuse_early(const struct request *request) {
    return request->refusal &&
           (header(request, MHD_HTTP_HEADER_EXPECT) || announced_bytes(request) > DISCARD_BYTES);
}

static enum MHD_Result begin_request(struct jf_http *http, struct MHD_Connection *connection,
                                     const char *url, const char *method, void **ret) {
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return MHD_NO;
    *ret = request;
    request->http = http;
    request->connection = connection;
    request->method = method_of(method);
    pthread_mutex_lock(&http->lock);
    bool ok = look_up(request, url, method);
    pthread_mutex_unlock(&http->lock);
    if (!ok)
        return MHD_NO;
    if (!request->refusal)
        check_method(request);
    if (!request->refusal && request->content->kind == JF_HTTP_UPLOAD)
        begin_upload(request);
    return refuse_early(request) ? send_empty(request, request->refusal) : MHD_YES;
}

enum MHD_Result jf_http_on_request(void *context, struct MHD_Connection *connection,
                                   const char *url, const char *method, const char *version,
                                   const char *bytes, size_t *len, void **request) {
    struct request *current = *request;
    (void)version;
    if (!current)
        return begin_request(context, connection, url, method, request);
    if (*len > 0) {
        size_t count = *len;
        *len = 0;
        return take_piece(current, bytes, count);
    }
    if (current->refusal)
        return send_empty(current, current->refusal);
    return current->sink ? finish_upload(current) : serve(current);
}

static const char *describe(enum MHD_RequestTerminationCode how) {
    switch (how) {
    case MHD_REQUEST_TERMINATED_COMPLETED_OK:
        return NULL;
    case MHD_REQUEST_TERMINATED_TIMEOUT_REACHED:
        return "the client made no progress within the idle timeout";
    case MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN:
        return "the server was closed";
    default:
        return "the client hung up";
    }
}

static void end_record(struct request *request, enum MHD_RequestTerminationCode how) {
    struct jf_error cut = {.code = JF_OK};
    const char *error = request->received ? NULL : describe(how);
    if (request->receiving && !request->received && !error)
        error = "the upload is incomplete";
    if (request->consuming)
        jf_http_stream_release(request->content->stream, &cut);
    if (cut.code != JF_OK)
        error = cut.message;
    if (request->why[0])
        error = request->why;
    pthread_mutex_lock(&request->http->lock);
    if (request->receiving)
        request->content->receiving = false;
    jf_http_record_end(request->record, error);
    pthread_mutex_unlock(&request->http->lock);
}

void jf_http_on_completed(void *context, struct MHD_Connection *connection, void **request,
                          enum MHD_RequestTerminationCode how) {
    struct jf_http *http = context;
    struct request *current = *request;
    (void)connection;
    if (!current)
        return;
    // What an upload left goes before anyone hears that it has ended.
    jf_http_sink_free(current->sink);
    current->sink = NULL;
    if (current->record)
        end_record(current, how);
    free_request(current);
    *request = NULL;
    jf_event_raise(&http->ended);
}
