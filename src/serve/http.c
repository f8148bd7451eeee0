// SPDX-License-Identifier: Apache-2.0
#include "serve/http.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/http_server.h"

// Per connection: the request's header, and a piece of an upload or a stream.
#define CONNECTION_MEMORY_BYTES ((size_t)65536)
#define LISTEN_BACKLOG 128

static enum jf_code make_token(char ret[JF_HTTP_TOKEN_SIZE], struct jf_error *err) {
    unsigned char bytes[(JF_HTTP_TOKEN_SIZE - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return jf_fail_errno(err, errno, "http: random bytes for the token");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    return JF_OK;
}

static enum jf_code open_listener(struct jf_http *http, const struct jf_http_options *options,
                                  int *ret_fd, struct jf_error *err) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    socklen_t len = sizeof address;
    int yes = 1;
    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1)
        return jf_fail(err, JF_UNSUPPORTED, "http: host \"%s\" is no IPv4 address", options->host);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return jf_fail_errno(err, errno, "http: socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, LISTEN_BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        jf_fail_errno(err, errno, "http: listen on %s:%u", options->host, options->port);
        close(fd);
        return JF_IO;
    }
    http->port = ntohs(address.sin_port);
    inet_ntop(AF_INET, &address.sin_addr, http->host, sizeof http->host);
    *ret_fd = fd;
    return JF_OK;
}

// Owns `listener` from here on.
static enum jf_code start_daemon(struct jf_http *http, const struct jf_http_options *options,
                                 int listener, struct jf_error *err) {
    sigset_t all;
    sigset_t before;
    // The library's thread inherits the mask: signals are the main thread's.
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, NULL, NULL,
        jf_http_on_request, http, MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_NOTIFY_CONNECTION,
        jf_http_on_connection, http, MHD_OPTION_NOTIFY_COMPLETED, jf_http_on_completed, http,
        MHD_OPTION_CONNECTION_LIMIT, options->connection_limit, MHD_OPTION_CONNECTION_TIMEOUT,
        options->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES,
        MHD_OPTION_END);
    int failed = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (http->daemon)
        return JF_OK;
    close(listener);
    return jf_fail_errno(err, failed, "http: start the server on %s:%u", http->host, http->port);
}

enum jf_code jf_http_start(const struct jf_http_options *options, struct jf_http **ret_http,
                           struct jf_error *err) {
    struct jf_http *http = calloc(1, sizeof *http);
    int listener = -1;
    if (!http)
        return jf_fail(err, JF_LIMIT, "http: not enough memory");
    pthread_mutex_init(&http->lock, NULL);
    http->ended.fd = -1;
    http->connection_limit = options->connection_limit;
    enum jf_code code = jf_event_open(&http->ended, err);
    if (code == JF_OK)
        code = make_token(http->token, err);
    if (code == JF_OK)
        code = open_listener(http, options, &listener, err);
    if (code == JF_OK)
        code = start_daemon(http, options, listener, err);
    if (code != JF_OK) {
        jf_http_stop(http);
        return code;
    }
    *ret_http = http;
    return JF_OK;
}

// The library aborts the process when it is stopped with a suspended connection.
// A detached stream resumes its own and never suspends again.
static void detach_streams(struct jf_http *http) {
    for (struct jf_http_content *content = http->contents; content; content = content->next) {
        if (content->stream)
            jf_http_stream_detach(content->stream);
    }
}

void jf_http_stop(struct jf_http *http) {
    if (!http)
        return;
    detach_streams(http);
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    while (http->contents) {
        struct jf_http_content *next = http->contents->next;
        jf_http_content_unref(http->contents);
        http->contents = next;
    }
    jf_http_history_clear(&http->history);
    jf_event_close(&http->ended);
    pthread_mutex_destroy(&http->lock);
    free(http);
}

const char *jf_http_host(const struct jf_http *http) {
    return http->host;
}

uint16_t jf_http_port(const struct jf_http *http) {
    return http->port;
}

const char *jf_http_token(const struct jf_http *http) {
    return http->token;
}

bool jf_http_is_name(const char *name) {
    size_t len = strlen(name);
    if (len == 0 || len >= JF_HTTP_NAME_SIZE || name[0] == '.')
        return false;
    for (const char *c = name; *c; c++) {
        if (!isascii(*c) || (!isalnum((unsigned char)*c) && !strchr("._-", *c)))
            return false;
    }
    return true;
}

static enum jf_code out_of_memory(const char *name, struct jf_error *err) {
    return jf_fail(err, JF_LIMIT, "http: register \"%s\": not enough memory", name);
}

// Puts the content in the table. When the name is taken the caller keeps it.
static enum jf_code insert(struct jf_http *http, struct jf_http_content *content,
                           struct jf_error *err) {
    pthread_mutex_lock(&http->lock);
    bool taken = jf_http_find(http, content->name) != NULL;
    if (!taken) {
        content->next = http->contents;
        http->contents = content;
        jf_http_history_forget(&http->history, content->name);
    }
    pthread_mutex_unlock(&http->lock);
    return taken ? jf_fail_errno(err, EEXIST, "http: register \"%s\"", content->name) : JF_OK;
}

static enum jf_code keep(struct jf_http *http, struct jf_http_content *content, enum jf_code code,
                         struct jf_error *err) {
    if (code == JF_OK)
        code = insert(http, content, err);
    if (code != JF_OK && content->stream)
        jf_http_stream_detach(content->stream);
    if (code != JF_OK)
        jf_http_content_unref(content);
    return code;
}

enum jf_code jf_http_add_file(struct jf_http *http, const char *name, const char *path,
                              const struct jf_http_labels *labels, struct jf_error *err) {
    struct jf_http_content *content = jf_http_content_new(JF_HTTP_FILE, name, labels);
    if (!content)
        return out_of_memory(name, err);
    return keep(http, content, jf_http_content_open(content, path, err), err);
}

enum jf_code jf_http_add_bytes(struct jf_http *http, const char *name, const void *bytes,
                               size_t len, const struct jf_http_labels *labels,
                               struct jf_error *err) {
    struct jf_http_content *content = jf_http_content_new(JF_HTTP_BYTES, name, labels);
    if (!content)
        return out_of_memory(name, err);
    enum jf_code code =
        jf_http_content_copy(content, bytes, len) ? JF_OK : out_of_memory(name, err);
    return keep(http, content, code, err);
}

enum jf_code jf_http_add_stream(struct jf_http *http, const char *name, struct jf_queue *queue,
                                int64_t length, const struct jf_http_labels *labels,
                                struct jf_error *err) {
    struct jf_http_content *content = jf_http_content_new(JF_HTTP_STREAM, name, labels);
    if (!content)
        return out_of_memory(name, err);
    content->size = length;
    content->stream = jf_http_stream_new(queue, length);
    return keep(http, content, content->stream ? JF_OK : out_of_memory(name, err), err);
}

enum jf_code jf_http_receive(struct jf_http *http, const char *name, const char *path,
                             int64_t limit_bytes, struct jf_error *err) {
    struct jf_http_content *content = jf_http_content_new(JF_HTTP_UPLOAD, name, NULL);
    if (!content)
        return out_of_memory(name, err);
    content->path = strdup(path);
    content->limit = limit_bytes;
    return keep(http, content, content->path ? JF_OK : out_of_memory(name, err), err);
}

bool jf_http_remove(struct jf_http *http, const char *name) {
    pthread_mutex_lock(&http->lock);
    struct jf_http_content **place = &http->contents;
    while (*place && strcmp((*place)->name, name) != 0)
        place = &(*place)->next;
    struct jf_http_content *content = *place;
    if (content) {
        *place = content->next;
        content->removed = true;
    }
    pthread_mutex_unlock(&http->lock);
    if (content && content->stream)
        jf_http_stream_detach(content->stream);
    jf_http_content_unref(content);
    return content != NULL;
}

bool jf_http_only(struct jf_http *http, const char *address) {
    struct in_addr only = {0};
    if (address && inet_pton(AF_INET, address, &only) != 1)
        return false;
    pthread_mutex_lock(&http->lock);
    http->only = only;
    http->is_limited = address != NULL;
    pthread_mutex_unlock(&http->lock);
    return true;
}

uint64_t jf_http_requests(struct jf_http *http) {
    pthread_mutex_lock(&http->lock);
    uint64_t requests = http->requests;
    pthread_mutex_unlock(&http->lock);
    return requests;
}

bool jf_http_transfers(struct jf_http *http, struct jf_http_transfer **ret_list,
                       size_t *ret_count) {
    size_t count = 0;
    pthread_mutex_lock(&http->lock);
    struct jf_http_transfer *list = calloc(http->history.count + 1, sizeof *list);
    const struct jf_http_record *record = list ? http->history.oldest : NULL;
    for (; record; record = record->newer)
        list[count++] = jf_http_record_now(record);
    pthread_mutex_unlock(&http->lock);
    *ret_list = list;
    *ret_count = count;
    return list != NULL;
}

bool jf_http_progress(struct jf_http *http, const char *name, struct jf_http_transfer *ret) {
    pthread_mutex_lock(&http->lock);
    const struct jf_http_record *record = jf_http_history_find(&http->history, name);
    if (record)
        *ret = jf_http_record_now(record);
    pthread_mutex_unlock(&http->lock);
    return record != NULL;
}

// Whether a transfer of `name` has ended and none is under way.
static bool has_ended(struct jf_http *http, const char *name, struct jf_http_transfer *ret) {
    pthread_mutex_lock(&http->lock);
    const struct jf_http_record *record = jf_http_history_find(&http->history, name);
    bool ended = record && !jf_http_history_busy(&http->history, name);
    if (ended)
        *ret = record->info;
    pthread_mutex_unlock(&http->lock);
    return ended;
}

enum jf_code jf_http_wait(struct jf_http *http, const char *name, jf_deadline deadline,
                          const struct jf_cancel *cancel, struct jf_http_transfer *ret,
                          struct jf_error *err) {
    for (;;) {
        // Lowered first: an end that comes after the look raises it again.
        jf_event_lower(&http->ended);
        if (has_ended(http, name, ret))
            return JF_OK;
        enum jf_code code = jf_event_wait(&http->ended, deadline, cancel, err);
        if (code != JF_OK)
            return jf_prefix(err, "http: wait for \"%s\"", name);
    }
}

bool jf_http_received(struct jf_http *http, const char *name, int64_t *ret_bytes,
                      char ret_sha256[JF_SHA256_HEX_SIZE]) {
    pthread_mutex_lock(&http->lock);
    const struct jf_http_content *content = jf_http_find(http, name);
    bool received = content && content->received;
    if (received) {
        *ret_bytes = content->received_bytes;
        memcpy(ret_sha256, content->received_sha256, JF_SHA256_HEX_SIZE);
    }
    pthread_mutex_unlock(&http->lock);
    return received;
}
