// SPDX-License-Identifier: Apache-2.0
#include "serve/http_history.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// The header of a reply is sent and acknowledged with its content; it is about
// this long.
#define HEADER_BYTES 200

static void drop(struct jf_http_history *history, struct jf_http_record *record) {
    if (record->older)
        record->older->newer = record->newer;
    else
        history->oldest = record->newer;
    if (record->newer)
        record->newer->older = record->older;
    else
        history->newest = record->older;
    history->count--;
    free(record);
}

void jf_http_history_clear(struct jf_http_history *history) {
    struct jf_http_record *record = history->oldest;
    *history = (struct jf_http_history){0};
    while (record) {
        struct jf_http_record *newer = record->newer;
        free(record);
        record = newer;
    }
}

static void drop_oldest_ended(struct jf_http_history *history) {
    struct jf_http_record *record = history->oldest;
    while (record && record->info.state == JF_HTTP_ACTIVE)
        record = record->newer;
    if (record)
        drop(history, record);
}

struct jf_http_record *jf_http_history_begin(struct jf_http_history *history,
                                             const struct jf_http_transfer *info) {
    struct jf_http_record *record = calloc(1, sizeof *record);
    if (!record)
        return NULL;
    if (history->count >= JF_HTTP_HISTORY)
        drop_oldest_ended(history);
    *record = (struct jf_http_record){
        .info = *info, .older = history->newest, .started_ns = jf_now_ns(), .socket_fd = -1};
    record->info.state = JF_HTTP_ACTIVE;
    if (history->newest)
        history->newest->newer = record;
    else
        history->oldest = record;
    history->newest = record;
    history->count++;
    return record;
}

static uint64_t acked_bytes(int socket_fd) {
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    if (getsockopt(socket_fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return 0;
    return info.tcpi_bytes_acked;
}

void jf_http_record_watch(struct jf_http_record *record, int socket_fd) {
    record->socket_fd = socket_fd;
    record->acked_before = acked_bytes(socket_fd);
}

static int64_t sent_bytes(const struct jf_http_record *record) {
    uint64_t acked = acked_bytes(record->socket_fd);
    if (acked <= record->acked_before + HEADER_BYTES)
        return 0;
    int64_t sent = (int64_t)(acked - record->acked_before - HEADER_BYTES);
    return sent > record->info.total ? record->info.total : sent;
}

struct jf_http_transfer jf_http_record_now(const struct jf_http_record *record) {
    struct jf_http_transfer info = record->info;
    if (info.state != JF_HTTP_ACTIVE)
        return info;
    info.elapsed_s = (double)(jf_now_ns() - record->started_ns) / 1e9;
    if (record->socket_fd >= 0)
        info.bytes = sent_bytes(record);
    if (record->stream)
        info.bytes = jf_http_stream_sent(record->stream);
    return info;
}

void jf_http_record_end(struct jf_http_record *record, const char *error) {
    bool by_kernel = record->socket_fd >= 0;
    record->info = jf_http_record_now(record);
    record->info.state = error ? JF_HTTP_FAILED : JF_HTTP_DONE;
    record->socket_fd = -1;
    record->stream = NULL;
    if (error)
        snprintf(record->info.error, sizeof record->info.error, "%s", error);
    else if (by_kernel)
        record->info.bytes = record->info.total;
}

const struct jf_http_record *jf_http_history_find(const struct jf_http_history *history,
                                                  const char *name) {
    const struct jf_http_record *record = history->newest;
    while (record && !(record->counts && strcmp(record->info.name, name) == 0))
        record = record->older;
    return record;
}

bool jf_http_history_busy(const struct jf_http_history *history, const char *name) {
    const struct jf_http_record *record = history->newest;
    while (record && !(record->counts && record->info.state == JF_HTTP_ACTIVE &&
                       strcmp(record->info.name, name) == 0))
        record = record->older;
    return record != NULL;
}

void jf_http_history_forget(struct jf_http_history *history, const char *name) {
    for (struct jf_http_record *record = history->oldest; record; record = record->newer) {
        if (strcmp(record->info.name, name) == 0)
            record->counts = false;
    }
}
