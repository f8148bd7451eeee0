// SPDX-License-Identifier: Apache-2.0
//
// UDP as a TFTP server needs it: answers leave from the address that was asked,
// and a window goes out in few system calls (UDP segmentation, else sendmmsg).
#ifndef JF_SERVE_TFTP_LINK_H
#define JF_SERVE_TFTP_LINK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/error.h"
#include "serve/tftp_packet.h"

#define JF_TFTP_BATCH 64           // datagrams in one call; the kernel's limit for segments
#define JF_TFTP_DATAGRAM_MAX 65507 // by IPv4's length field

// The way to one client: a connected socket of its own, or the shared one.
struct jf_tftp_link {
    int fd;
    bool own; // connected, and closed with the link
    bool segments;
    struct sockaddr_in peer;
    struct in_addr local;
};

// What sending a window needs, allocated once per server.
struct jf_tftp_batch {
    uint8_t headers[JF_TFTP_BATCH][JF_TFTP_HEADER];
    struct iovec pieces[2 * JF_TFTP_BATCH];
    struct mmsghdr messages[JF_TFTP_BATCH];
    uint8_t single[2048]; // one block with its header
};

// Binds `host` (an IPv4 address) and `port` (0: a free one, told in *ret_bound).
enum jf_code jf_tftp_listen(const char *host, uint16_t port, int *ret_fd,
                            struct sockaddr_in *ret_bound, struct jf_error *err);

// Receives one datagram without waiting, with its sender and the address of ours
// that it was sent to. -1 with errno.
ssize_t jf_tftp_receive_from(int fd, void *bytes, size_t size, struct sockaddr_in *ret_peer,
                             struct in_addr *ret_local);

// A link to `peer` from `local`: with a socket of its own when `shared_fd` is -1.
// Returns 0 or an errno.
int jf_tftp_link_open(struct jf_tftp_link *link, int shared_fd, struct in_addr local,
                      const struct sockaddr_in *peer);
void jf_tftp_link_close(struct jf_tftp_link *link);

// The largest UDP payload that the route to the client carries in one piece.
uint32_t jf_tftp_link_payload(const struct jf_tftp_link *link);

// Sends one datagram, without waiting; a failure is as good as a lost packet.
void jf_tftp_link_send(const struct jf_tftp_link *link, const void *bytes, size_t len);

// Sends `count` (at most JF_TFTP_BATCH) DATA packets from block `first`, all of
// `blksize` bytes but the last. Returns how many went out; fewer when the socket
// is full, and errno is set when none did.
size_t jf_tftp_link_send_blocks(struct jf_tftp_link *link, struct jf_tftp_batch *batch,
                                uint64_t first, size_t count, uint32_t blksize,
                                const uint8_t *bytes, size_t len);

#endif
