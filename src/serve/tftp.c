// SPDX-License-Identifier: Apache-2.0
#include "serve/tftp_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS 64
#define DATAGRAMS 32 // taken from one socket before the others get their turn
#define PATIENCE 32  // events without looking for a second packet, after a vain look

void jf_tftp_settle(struct jf_tftp *server, struct jf_tftp_transfer *transfer, int64_t now_ns) {
    struct jf_tftp_info *info = transfer->info;
    server->due_ns = jf_deadline_min(server->due_ns, transfer->over ? now_ns : transfer->due_ns);
    if (transfer->settled || info->state == JF_TFTP_ACTIVE)
        return;
    transfer->settled = true;
    info->ended_ns = now_ns;
    struct jf_tftp_entry *entry = jf_tftp_names_by_id(&server->names, transfer->entry_id);
    if (entry && info->write) {
        entry->busy = false;
        entry->used = info->state == JF_TFTP_ENDED_WELL;
    }
    jf_event_raise(&server->ended);
}

// Closing the socket would not do: a process being spawned elsewhere may hold a copy
// of the descriptor for a moment, and with it the kernel's pointer to the transfer.
static void forget(const struct jf_tftp *server, struct jf_tftp_transfer *transfer) {
    if (transfer->link.own)
        epoll_ctl(server->epoll_fd, EPOLL_CTL_DEL, transfer->link.fd, NULL);
    jf_tftp_transfer_free(transfer);
}

// Ticks what is due, frees what is over, and finds out when to wake next. The sum
// of all this is small because due_ns is only a lower bound: it is not run for
// every packet.
static void sweep(struct jf_tftp *server, int64_t now_ns) {
    size_t kept = 0;
    if (now_ns < server->due_ns)
        return;
    server->due_ns = JF_NEVER;
    for (size_t i = 0; i < server->transfer_count; i++) {
        struct jf_tftp_transfer *transfer = server->transfers[i];
        jf_tftp_transfer_tick(transfer, server->scratch, now_ns);
        jf_tftp_settle(server, transfer, now_ns);
        if (transfer->over)
            forget(server, transfer);
        else
            server->transfers[kept++] = transfer;
    }
    server->transfer_count = kept;
    server->due_ns = JF_NEVER;
    for (size_t i = 0; i < kept; i++)
        server->due_ns = jf_deadline_min(server->due_ns, server->transfers[i]->due_ns);
}

static void listening_ready(struct jf_tftp *server, int64_t now_ns) {
    struct jf_tftp_scratch *scratch = server->scratch;
    for (int i = 0; i < DATAGRAMS; i++) {
        struct sockaddr_in peer;
        struct in_addr local;
        ssize_t len = jf_tftp_receive_from(server->listen_fd, scratch->input, sizeof scratch->input,
                                           &peer, &local);
        if (len < 0)
            return;
        jf_tftp_accept(server, scratch->input, (size_t)len, &peer, local, now_ns);
    }
}

// The socket's error comes before what was received earlier: a client that has all
// may have closed its port right behind its last ACK.
static void transfer_refused(struct jf_tftp *server, struct jf_tftp_transfer *transfer,
                             int64_t now_ns) {
    struct jf_tftp_scratch *scratch = server->scratch;
    for (int i = 0; i < DATAGRAMS && !transfer->over; i++) {
        ssize_t len = recv(transfer->link.fd, scratch->input, sizeof scratch->input, 0);
        if (len < 0)
            break;
        jf_tftp_transfer_packet(transfer, scratch, scratch->input, (size_t)len, now_ns);
    }
    if (!transfer->over && !transfer->lingering)
        jf_tftp_transfer_fail(transfer, NULL, "the client closed its port");
}

// Whether to look for another packet at once. A client on the same core has often
// answered before our send returned, and then this saves going through epoll; where
// it did not, looking is not tried again for a while.
static bool look_again(struct jf_tftp_transfer *transfer, int looked) {
    if (transfer->over || looked == DATAGRAMS)
        return false;
    if (transfer->patience == 0)
        return true;
    transfer->patience--;
    return false;
}

static void transfer_ready(struct jf_tftp *server, struct jf_tftp_transfer *transfer,
                           int64_t now_ns) {
    struct jf_tftp_scratch *scratch = server->scratch;
    if (transfer->over)
        return;
    int looked = 0;
    do {
        ssize_t len = recv(transfer->link.fd, scratch->input, sizeof scratch->input, 0);
        if (len < 0) {
            transfer->patience = PATIENCE;
            if (errno == ECONNREFUSED)
                transfer_refused(server, transfer, now_ns);
            break;
        }
        if (looked++ > 0)
            now_ns = jf_now_ns();
        jf_tftp_transfer_packet(transfer, scratch, scratch->input, (size_t)len, now_ns);
    } while (look_again(transfer, looked));
    jf_tftp_settle(server, transfer, now_ns);
}

static void timer_fired(struct jf_tftp *server) {
    uint64_t count;
    ssize_t ignored = read(server->timer_fd, &count, sizeof count);
    (void)ignored;
    server->armed_ns = JF_NEVER;
}

static void handle(struct jf_tftp *server, const struct epoll_event *event, int64_t now_ns) {
    if (event->data.ptr == &server->listen_fd)
        listening_ready(server, now_ns);
    else if (event->data.ptr == &server->wake)
        jf_event_lower(&server->wake);
    else if (event->data.ptr == &server->timer_fd)
        timer_fired(server);
    else
        transfer_ready(server, event->data.ptr, now_ns);
}

// The timer is set only when it must fire earlier than it is set to: in lock-step
// each packet moves the time to act, and setting and clearing a timeout for each
// costs more than waking in vain every few milliseconds.
static void set_timer(struct jf_tftp *server) {
    if (server->due_ns >= server->armed_ns)
        return;
    int64_t at_ns = server->due_ns > 0 ? server->due_ns : 1; // 0 would turn it off
    struct itimerspec when = {.it_value = {at_ns / 1000000000, at_ns % 1000000000}};
    timerfd_settime(server->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    server->armed_ns = server->due_ns;
}

static void *serve(void *argument) {
    struct jf_tftp *server = argument;
    struct epoll_event events[EVENTS];
    for (;;) {
        int count = epoll_wait(server->epoll_fd, events, EVENTS, -1);
        int64_t now_ns = jf_now_ns();
        pthread_mutex_lock(&server->lock);
        bool stopping = server->stopping;
        for (int i = 0; !stopping && i < count; i++)
            handle(server, &events[i], now_ns);
        sweep(server, now_ns);
        set_timer(server);
        pthread_mutex_unlock(&server->lock);
        if (stopping)
            return NULL;
    }
}

static bool watch(const struct jf_tftp *server, int fd, const void *tag) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = (void *)(uintptr_t)tag};
    return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static enum jf_code start_thread(struct jf_tftp *server, struct jf_error *err) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int reason = pthread_create(&server->thread, NULL, serve, server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (reason)
        return jf_fail_errno(err, reason, "tftp: thread");
    server->running = true;
    return JF_OK;
}

static enum jf_code start(struct jf_tftp *server, struct jf_error *err) {
    const struct jf_tftp_options *options = &server->options;
    struct sockaddr_in bound;
    if (jf_tftp_listen(options->host, options->port, &server->listen_fd, &bound, err) != JF_OK ||
        jf_event_open(&server->wake, err) != JF_OK || jf_event_open(&server->ended, err) != JF_OK)
        return err->code;
    inet_ntop(AF_INET, &bound.sin_addr, server->host, sizeof server->host);
    server->options.host = server->host;
    server->port = ntohs(bound.sin_port);
    server->scratch = malloc(sizeof *server->scratch);
    if (!server->scratch)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (server->epoll_fd < 0 || server->timer_fd < 0 ||
        !watch(server, server->timer_fd, &server->timer_fd) ||
        !watch(server, server->listen_fd, &server->listen_fd) ||
        !watch(server, server->wake.fd, &server->wake))
        return jf_fail_errno(err, errno, "tftp: epoll");
    return start_thread(server, err);
}

enum jf_code jf_tftp_start(const struct jf_tftp_options *options, struct jf_tftp **ret_server,
                           struct jf_error *err) {
    assert(options->max_windowsize >= 1 && options->max_windowsize <= JF_TFTP_WINDOW_MAX);
    struct jf_tftp *server = calloc(1, sizeof *server);
    if (!server)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    server->options = *options;
    server->listen_fd = server->epoll_fd = server->timer_fd = -1;
    server->wake.fd = server->ended.fd = -1;
    server->due_ns = server->armed_ns = JF_NEVER;
    server->locked = pthread_mutex_init(&server->lock, NULL) == 0;
    enum jf_code code = start(server, err);
    if (code == JF_OK)
        *ret_server = server;
    else
        jf_tftp_free(server);
    return code;
}

static void stop_thread(struct jf_tftp *server) {
    if (!server->running)
        return;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    pthread_mutex_unlock(&server->lock);
    jf_event_raise(&server->wake);
    pthread_join(server->thread, NULL);
}

static void end_transfers(struct jf_tftp *server) {
    struct jf_tftp_refusal tell = {.code = JF_TFTP_UNDEFINED};
    jf_tftp_refuse(&tell, JF_TFTP_UNDEFINED, "the server stops");
    for (size_t i = 0; i < server->transfer_count; i++) {
        if (server->transfers[i]->info->state == JF_TFTP_ACTIVE)
            jf_tftp_transfer_fail(server->transfers[i], &tell, "the server was stopped");
        jf_tftp_transfer_free(server->transfers[i]);
    }
}

void jf_tftp_free(struct jf_tftp *server) {
    if (!server)
        return;
    stop_thread(server);
    end_transfers(server);
    for (size_t i = 0; i < server->info_count; i++)
        free(server->infos[i]);
    jf_tftp_names_free(&server->names);
    if (server->listen_fd >= 0)
        close(server->listen_fd);
    if (server->epoll_fd >= 0)
        close(server->epoll_fd);
    if (server->timer_fd >= 0)
        close(server->timer_fd);
    jf_event_close(&server->wake);
    jf_event_close(&server->ended);
    if (server->locked)
        pthread_mutex_destroy(&server->lock);
    free(server->scratch);
    free(server);
}

const char *jf_tftp_host(const struct jf_tftp *server) {
    return server->host;
}

uint16_t jf_tftp_port(const struct jf_tftp *server) {
    return server->port;
}

static enum jf_code set_name(struct jf_tftp *server, const char *name, struct jf_content *content,
                             const char *path, uint64_t limit, struct jf_error *err) {
    size_t len = strlen(jf_tftp_plain_name(name));
    if (len == 0 || len >= JF_TFTP_NAME_SIZE)
        return jf_fail(err, JF_LIMIT, "tftp: a name has 1 to %d bytes, '%s' has %zu",
                       JF_TFTP_NAME_SIZE - 1, name, len);
    pthread_mutex_lock(&server->lock);
    bool done = jf_tftp_names_set(&server->names, name, content, path, limit);
    pthread_mutex_unlock(&server->lock);
    return done ? JF_OK : jf_fail(err, JF_LIMIT, "not enough memory");
}

enum jf_code jf_tftp_add(struct jf_tftp *server, const char *name, struct jf_content *content,
                         struct jf_error *err) {
    return set_name(server, name, content, NULL, 0, err);
}

enum jf_code jf_tftp_receive(struct jf_tftp *server, const char *name, const char *path,
                             uint64_t limit_bytes, struct jf_error *err) {
    if (!server->options.receive)
        return jf_fail(err, JF_UNSUPPORTED, "tftp: receive %s: this server only serves", name);
    return set_name(server, name, NULL, path, limit_bytes, err);
}

bool jf_tftp_remove(struct jf_tftp *server, const char *name) {
    pthread_mutex_lock(&server->lock);
    bool found = jf_tftp_names_remove(&server->names, name);
    pthread_mutex_unlock(&server->lock);
    return found;
}

enum jf_code jf_tftp_only(struct jf_tftp *server, const char *address, struct jf_error *err) {
    struct in_addr only = {.s_addr = INADDR_ANY};
    if (address && inet_pton(AF_INET, address, &only) != 1)
        return jf_fail(err, JF_UNSUPPORTED, "tftp: '%s' is not an IPv4 address", address);
    int64_t now_ns = jf_now_ns();
    pthread_mutex_lock(&server->lock);
    server->only = only;
    for (size_t i = 0; only.s_addr != INADDR_ANY && i < server->transfer_count; i++) {
        struct jf_tftp_transfer *transfer = server->transfers[i];
        if (transfer->link.peer.sin_addr.s_addr == only.s_addr || transfer->settled)
            continue;
        // The thread frees it with its next sweep, which must not wait for a packet.
        jf_tftp_transfer_fail(transfer, NULL, "only another address is answered now");
        jf_tftp_settle(server, transfer, now_ns);
    }
    pthread_mutex_unlock(&server->lock);
    jf_event_raise(&server->wake);
    return JF_OK;
}

size_t jf_tftp_transfers(struct jf_tftp *server, struct jf_tftp_info *infos, size_t max) {
    pthread_mutex_lock(&server->lock);
    size_t count = server->info_count;
    for (size_t i = 0; i < count && i < max; i++)
        infos[i] = *server->infos[i];
    pthread_mutex_unlock(&server->lock);
    return count;
}

void jf_tftp_stats(struct jf_tftp *server, struct jf_tftp_stats *ret_stats) {
    pthread_mutex_lock(&server->lock);
    *ret_stats = server->stats;
    pthread_mutex_unlock(&server->lock);
}

static bool find_ended(struct jf_tftp *server, const char *name, struct jf_tftp_info *ret_info) {
    const struct jf_tftp_info *found = NULL;
    bool active = false;
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->info_count; i++) {
        if (strcmp(server->infos[i]->name, name) != 0)
            continue;
        active = active || server->infos[i]->state == JF_TFTP_ACTIVE;
        found = server->infos[i];
    }
    if (found && !active)
        *ret_info = *found;
    pthread_mutex_unlock(&server->lock);
    return found && !active;
}

enum jf_code jf_tftp_wait(struct jf_tftp *server, const char *name, jf_deadline deadline,
                          const struct jf_cancel *cancel, struct jf_tftp_info *ret_info,
                          struct jf_error *err) {
    name = jf_tftp_plain_name(name);
    for (;;) {
        jf_event_lower(&server->ended);
        if (find_ended(server, name, ret_info))
            return JF_OK;
        if (jf_event_wait(&server->ended, deadline, cancel, err) != JF_OK)
            return jf_prefix(err, "tftp: wait for %s", name);
    }
}
