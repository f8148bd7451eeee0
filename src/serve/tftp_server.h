// SPDX-License-Identifier: Apache-2.0
//
// The server's own state, shared by tftp.c (the thread and the public functions)
// and tftp_accept.c (new requests). Everything but the first group is covered by
// `lock`, which the thread holds while it works and not while it waits.
#ifndef JF_SERVE_TFTP_SERVER_H
#define JF_SERVE_TFTP_SERVER_H

#include <pthread.h>

#include "base/wait.h"
#include "serve/tftp.h"
#include "serve/tftp_names.h"
#include "serve/tftp_transfer.h"

#define JF_TFTP_HISTORY 256   // ended transfers that are remembered
#define JF_TFTP_TRANSFERS 512 // at once

struct jf_tftp {
    // Constant while the thread runs.
    struct jf_tftp_options options;
    char host[16];
    uint16_t port;
    int listen_fd;
    int epoll_fd;
    struct jf_event wake;  // makes the thread look at what changed
    struct jf_event ended; // raised when a transfer ends
    int timer_fd;
    pthread_t thread;
    bool running;
    bool locked;                     // `lock` is initialised
    struct jf_tftp_scratch *scratch; // the thread's, as is the next
    int64_t armed_ns;                // when the timer fires; JF_NEVER when it is off

    pthread_mutex_t lock;
    bool stopping;
    struct jf_tftp_names names;
    struct in_addr only; // INADDR_ANY: everyone is answered
    struct jf_tftp_stats stats;
    struct jf_tftp_transfer *transfers[JF_TFTP_TRANSFERS];
    size_t transfer_count;
    struct jf_tftp_info *infos[JF_TFTP_HISTORY + JF_TFTP_TRANSFERS]; // oldest first
    size_t info_count;
    int64_t due_ns; // no transfer is due before
};

// A datagram arrived at the listening port.
void jf_tftp_accept(struct jf_tftp *server, const uint8_t *packet, size_t len,
                    const struct sockaddr_in *peer, struct in_addr local, int64_t now_ns);

// After anything happened to a transfer: takes note of its end and its next time.
void jf_tftp_settle(struct jf_tftp *server, struct jf_tftp_transfer *transfer, int64_t now_ns);

#endif
