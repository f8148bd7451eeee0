// SPDX-License-Identifier: Apache-2.0
//
// What arrives at the listening port: requests, and in single-port mode all else.
#include "serve/tftp_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

// A request of a client whose transfer made progress this recently is a late copy;
// a client that starts over was silent for longer.
#define LATE_COPY_NS 2000000000LL

struct arrival {
    const struct sockaddr_in *peer;
    struct in_addr local;
    int64_t now_ns;
};

static struct jf_tftp_transfer *transfer_of(const struct jf_tftp *server,
                                            const struct sockaddr_in *peer) {
    for (size_t i = 0; i < server->transfer_count; i++) {
        struct jf_tftp_transfer *transfer = server->transfers[i];
        if (!transfer->over && transfer->link.peer.sin_port == peer->sin_port &&
            transfer->link.peer.sin_addr.s_addr == peer->sin_addr.s_addr)
            return transfer;
    }
    return NULL;
}

// One ERROR through the listening port.
static void answer_error(struct jf_tftp *server, const struct arrival *arrival,
                         const struct jf_tftp_refusal *refusal) {
    uint8_t packet[JF_TFTP_REPLY_SIZE];
    struct jf_tftp_link link;
    jf_tftp_link_open(&link, server->listen_fd, arrival->local, arrival->peer);
    jf_tftp_link_send(&link, packet, jf_tftp_put_error(packet, refusal));
}

// Drops the oldest entry that has ended.
static void drop_oldest(struct jf_tftp *server) {
    size_t i = 0;
    while (i < server->info_count && server->infos[i]->state == JF_TFTP_ACTIVE)
        i++;
    if (i == server->info_count)
        return;
    free(server->infos[i]);
    server->info_count--;
    for (; i < server->info_count; i++)
        server->infos[i] = server->infos[i + 1];
}

// Makes room in the history, then adds an entry; NULL when memory is out.
static struct jf_tftp_info *new_info(struct jf_tftp *server) {
    if (server->info_count - server->transfer_count >= JF_TFTP_HISTORY)
        drop_oldest(server);
    struct jf_tftp_info *info = calloc(1, sizeof *info);
    if (info)
        server->infos[server->info_count++] = info;
    return info;
}

static void fill_info(struct jf_tftp_info *info, const struct jf_tftp_request *request,
                      const struct jf_tftp_terms *terms, const struct arrival *arrival) {
    char address[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &arrival->peer->sin_addr, address, sizeof address);
    snprintf(info->client, sizeof info->client, "%s:%u", address, ntohs(arrival->peer->sin_port));
    memcpy(info->name, request->name, sizeof info->name);
    info->write = request->write;
    info->blksize = terms->blksize;
    info->windowsize = terms->windowsize;
    info->started_ns = arrival->now_ns;
}

// The entry that the request may have, or NULL with the reason.
static struct jf_tftp_entry *find_entry(struct jf_tftp *server,
                                        const struct jf_tftp_request *request,
                                        struct jf_tftp_refusal *refusal) {
    struct jf_tftp_entry *entry = jf_tftp_names_find(&server->names, request->name);
    struct jf_error err;
    if (!request->write) {
        if (!entry || !entry->content)
            jf_tftp_refuse(refusal, JF_TFTP_NOT_FOUND, "file %.150s not found", request->name);
        else if (jf_content_check(entry->content, &err) != JF_OK)
            jf_tftp_refuse(refusal, JF_TFTP_UNDEFINED, "file %.150s changed on the server",
                           request->name);
        else
            return entry;
        return NULL;
    }
    if (!entry || entry->content || !server->options.receive)
        jf_tftp_refuse(refusal, JF_TFTP_ACCESS, "file %.150s may not be written", request->name);
    else if (entry->busy || entry->used)
        jf_tftp_refuse(refusal, JF_TFTP_EXISTS, "file %.150s was sent already", request->name);
    else if (request->tsize.present && request->tsize.value > entry->limit)
        jf_tftp_refuse(refusal, JF_TFTP_FULL, "file %.100s may have %" PRIu64 " bytes",
                       request->name, entry->limit);
    else
        return entry;
    return NULL;
}

static void negotiate(const struct jf_tftp *server, const struct jf_tftp_request *request,
                      const struct jf_tftp_entry *entry, const struct jf_tftp_link *link,
                      struct jf_tftp_terms *terms) {
    uint32_t path = jf_tftp_link_payload(link) - JF_TFTP_HEADER;
    uint32_t blksize = server->options.max_blksize ? server->options.max_blksize : path;
    uint64_t size = entry->content ? jf_content_size(entry->content) : 0;
    struct jf_tftp_limits limits = {
        .blksize = blksize < JF_TFTP_BLKSIZE_MAX ? blksize : JF_TFTP_BLKSIZE_MAX,
        .windowsize = server->options.max_windowsize,
        // The netascii form has another size; curl takes a size of 0 for an error.
        .size_known = !request->netascii && size > 0,
        .size = size,
    };
    jf_tftp_negotiate(request, &limits, terms);
}

static void begin(struct jf_tftp *server, struct jf_tftp_transfer *transfer,
                  const struct jf_tftp_request *request, struct jf_tftp_entry *entry,
                  const struct jf_tftp_terms *terms, int64_t now_ns) {
    struct jf_tftp_timer timer;
    struct jf_tftp_info *info = transfer->info;
    jf_tftp_timer_start(&timer, terms->timeout_s, (int64_t)(server->options.retry_s * 1e9), now_ns);
    if (request->write) {
        entry->busy = true;
        transfer->entry_id = entry->id;
        info->total = request->tsize.present ? request->tsize.value : 0;
        info->total_known = request->tsize.present;
        jf_tftp_transfer_write(transfer, &timer, now_ns);
    } else {
        info->total = jf_content_size(entry->content);
        info->total_known = true;
        jf_tftp_transfer_read(transfer, server->scratch, entry->content, request->netascii, &timer,
                              now_ns);
    }
}

// Everything a transfer needs; false, with what to tell the client, when the host
// has too little of something.
static bool set_up(struct jf_tftp *server, const struct jf_tftp_request *request,
                   struct jf_tftp_entry *entry, struct jf_tftp_link *link,
                   const struct arrival *arrival, struct jf_tftp_refusal *refusal) {
    struct jf_tftp_terms terms;
    struct jf_error err;
    negotiate(server, request, entry, link, &terms);
    struct jf_tftp_info *info = new_info(server);
    struct jf_tftp_transfer *transfer = info ? jf_tftp_transfer_new(link, &terms, info) : NULL;
    if (!transfer) {
        server->info_count -= info ? 1 : 0;
        free(info);
        jf_tftp_link_close(link);
        return jf_tftp_refuse(refusal, JF_TFTP_UNDEFINED, "the server is out of memory");
    }
    fill_info(info, request, &terms, arrival);
    server->transfers[server->transfer_count++] = transfer;

    struct epoll_event event = {.events = EPOLLIN, .data.ptr = transfer};
    bool ready = !link->own || epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, link->fd, &event) == 0;
    if (ready && request->write)
        ready = jf_tftp_upload_open(&transfer->upload, entry->path, entry->limit, request->netascii,
                                    &err) == JF_OK;
    if (ready) {
        begin(server, transfer, request, entry, &terms, arrival->now_ns);
    } else {
        jf_tftp_refuse(refusal, JF_TFTP_UNDEFINED, "the server cannot serve this now");
        jf_tftp_transfer_fail(transfer, refusal, request->write ? err.message : "epoll_ctl");
    }
    jf_tftp_settle(server, transfer, arrival->now_ns);
    return true;
}

static bool start_transfer(struct jf_tftp *server, const struct jf_tftp_request *request,
                           const struct arrival *arrival, struct jf_tftp_refusal *refusal) {
    struct jf_tftp_entry *entry = find_entry(server, request, refusal);
    struct jf_tftp_link link;
    if (!entry)
        return false;
    if (server->transfer_count >= JF_TFTP_TRANSFERS)
        return jf_tftp_refuse(refusal, JF_TFTP_UNDEFINED, "too many transfers at once");
    int shared_fd = server->options.single_port ? server->listen_fd : -1;
    int reason = jf_tftp_link_open(&link, shared_fd, arrival->local, arrival->peer);
    if (reason)
        return jf_tftp_refuse(refusal, JF_TFTP_UNDEFINED, "the server has no socket: %s",
                              strerrorname_np(reason));
    return set_up(server, request, entry, &link, arrival, refusal);
}

// True when the request belongs to a transfer that is under way.
static bool is_repeated(struct jf_tftp *server, const struct jf_tftp_request *request,
                        const struct arrival *arrival) {
    struct jf_tftp_transfer *transfer = transfer_of(server, arrival->peer);
    if (!transfer)
        return false;
    const struct jf_tftp_info *info = transfer->info;
    const struct jf_tftp_timer *timer =
        info->write ? &transfer->receiver.timer : &transfer->sender.timer;
    bool same = info->write == request->write && strcmp(info->name, request->name) == 0;
    if (same && !timer->answered) {
        jf_tftp_transfer_again(transfer, server->scratch, arrival->now_ns);
        jf_tftp_settle(server, transfer, arrival->now_ns);
        return true;
    }
    if (same && arrival->now_ns - timer->heard_ns < LATE_COPY_NS)
        return true;
    if (info->state == JF_TFTP_ACTIVE)
        jf_tftp_transfer_fail(transfer, NULL, "the client started over");
    transfer->over = true;
    jf_tftp_settle(server, transfer, arrival->now_ns);
    return false;
}

static void accept_request(struct jf_tftp *server, const uint8_t *packet, size_t len,
                           const struct arrival *arrival) {
    struct jf_tftp_request request;
    struct jf_tftp_refusal refusal = {.code = JF_TFTP_UNDEFINED};
    server->stats.requests++;
    if (!jf_tftp_parse_request(packet, len, &request, &refusal)) {
        server->stats.malformed++;
    } else if (is_repeated(server, &request, arrival) ||
               start_transfer(server, &request, arrival, &refusal)) {
        return;
    }
    server->stats.refused++;
    answer_error(server, arrival, &refusal);
}

// Neither a request nor, in single-port mode, part of a transfer. An ERROR is never
// answered: two servers would talk forever.
static void accept_stray(struct jf_tftp *server, unsigned opcode, const struct arrival *arrival) {
    struct jf_tftp_refusal refusal = {.code = JF_TFTP_UNDEFINED};
    if (opcode == JF_TFTP_DATA || opcode == JF_TFTP_ACK) {
        jf_tftp_refuse(&refusal, JF_TFTP_UNKNOWN_TID, "no such transfer");
        answer_error(server, arrival, &refusal);
        return;
    }
    server->stats.malformed++;
    if (opcode == 0 || opcode == JF_TFTP_ERROR)
        return;
    jf_tftp_refuse(&refusal, JF_TFTP_ILLEGAL, "not a TFTP request");
    answer_error(server, arrival, &refusal);
}

void jf_tftp_accept(struct jf_tftp *server, const uint8_t *packet, size_t len,
                    const struct sockaddr_in *peer, struct in_addr local, int64_t now_ns) {
    struct arrival arrival = {.peer = peer, .local = local, .now_ns = now_ns};
    unsigned opcode = jf_tftp_packet_opcode(packet, len);
    bool request = opcode == JF_TFTP_RRQ || opcode == JF_TFTP_WRQ;
    if (server->only.s_addr != INADDR_ANY && server->only.s_addr != peer->sin_addr.s_addr) {
        server->stats.requests += request;
        server->stats.refused += request;
        return;
    }
    struct jf_tftp_transfer *transfer =
        server->options.single_port && !request ? transfer_of(server, peer) : NULL;
    if (transfer) {
        jf_tftp_transfer_packet(transfer, server->scratch, packet, len, now_ns);
        jf_tftp_settle(server, transfer, now_ns);
    } else if (request) {
        accept_request(server, packet, len, &arrival);
    } else {
        accept_stray(server, opcode, &arrival);
    }
}
