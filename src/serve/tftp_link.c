// SPDX-License-Identifier: Apache-2.0
#include "serve/tftp_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 // linux/udp.h, which clashes with netinet/udp.h
#endif

#define SOCKET_FLAGS (SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK)
#define IP_UDP_HEADERS 28
#define BUFFER_SIZE (1 << 20)

// Room for the two control messages that are ever used, properly aligned.
union control {
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))];
    struct cmsghdr align;
};

static void add_control(struct msghdr *message, int level, int type, const void *data, size_t len) {
    char *at = (char *)message->msg_control + message->msg_controllen;
    struct cmsghdr *header = (struct cmsghdr *)(void *)at;
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(header), data, len);
    message->msg_controllen += CMSG_SPACE(len);
}

enum jf_code jf_tftp_listen(const char *host, uint16_t port, int *ret_fd,
                            struct sockaddr_in *ret_bound, struct jf_error *err) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return jf_fail(err, JF_UNSUPPORTED, "tftp: host '%s' is not an IPv4 address", host);
    int fd = socket(AF_INET, SOCKET_FLAGS, 0);
    if (fd < 0)
        return jf_fail_errno(err, errno, "tftp: socket");
    // No SO_REUSEADDR: with it a second server would bind the same port in silence.
    socklen_t len = sizeof *ret_bound;
    int on = 1;
    int size = BUFFER_SIZE;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)ret_bound, &len) != 0) {
        int reason = errno;
        close(fd);
        return jf_fail_errno(err, reason, "tftp: bind %s:%u", host, port);
    }
    *ret_fd = fd;
    return JF_OK;
}

ssize_t jf_tftp_receive_from(int fd, void *bytes, size_t size, struct sockaddr_in *ret_peer,
                             struct in_addr *ret_local) {
    union control control;
    struct iovec piece = {bytes, size};
    struct msghdr message = {
        .msg_name = ret_peer,
        .msg_namelen = sizeof *ret_peer,
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t len = recvmsg(fd, &message, 0);
    ret_local->s_addr = INADDR_ANY;
    if (len < 0)
        return len;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at)) {
        if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(at), sizeof info);
            // Not ipi_addr: for a broadcast that is the broadcast address.
            *ret_local = info.ipi_spec_dst;
        }
    }
    return len;
}

// A socket bound to `local` and connected to `peer`; -1 with errno.
static int connected_socket(struct in_addr local, const struct sockaddr_in *peer) {
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = local};
    int fd = socket(AF_INET, SOCKET_FLAGS, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
        connect(fd, (const struct sockaddr *)peer, sizeof *peer) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

int jf_tftp_link_open(struct jf_tftp_link *link, int shared_fd, struct in_addr local,
                      const struct sockaddr_in *peer) {
    *link = (struct jf_tftp_link){
        .fd = shared_fd,
        .own = shared_fd < 0,
        .segments = true,
        .peer = *peer,
        .local = local,
    };
    if (!link->own)
        return 0;
    link->fd = connected_socket(local, peer);
    if (link->fd < 0)
        return errno;
    int size = BUFFER_SIZE;
    setsockopt(link->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return 0;
}

void jf_tftp_link_close(struct jf_tftp_link *link) {
    if (link->own && link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

uint32_t jf_tftp_link_payload(const struct jf_tftp_link *link) {
    const uint32_t least = 576; // what every host must take (RFC 791)
    int fd = link->own ? link->fd : connected_socket(link->local, &link->peer);
    int mtu = 0;
    socklen_t len = sizeof mtu;
    if (fd < 0 || getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &len) != 0)
        mtu = 1500;
    if (fd >= 0 && !link->own)
        close(fd);
    uint32_t payload = (mtu > (int)least ? (uint32_t)mtu : least) - IP_UDP_HEADERS;
    return payload < JF_TFTP_DATAGRAM_MAX ? payload : JF_TFTP_DATAGRAM_MAX;
}

// Fills in who sends to whom; a connected socket knows.
static void address(const struct jf_tftp_link *link, struct msghdr *message,
                    union control *control) {
    message->msg_control = control;
    message->msg_controllen = 0;
    if (link->own)
        return;
    struct in_pktinfo info = {.ipi_spec_dst = link->local};
    message->msg_name = (void *)(uintptr_t)&link->peer; // sendmsg only reads it
    message->msg_namelen = sizeof link->peer;
    add_control(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
}

void jf_tftp_link_send(const struct jf_tftp_link *link, const void *bytes, size_t len) {
    union control control = {0};
    struct iovec piece = {(void *)(uintptr_t)bytes, len}; // sendmsg only reads it
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    address(link, &message, &control);
    ssize_t ignored = sendmsg(link->fd, &message, 0);
    (void)ignored;
}

// Headers and data of the blocks, one pair of pieces each.
static void lay_out(struct jf_tftp_batch *batch, uint64_t first, size_t count, uint32_t blksize,
                    const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < count; i++) {
        size_t offset = i * blksize;
        size_t part = len - offset < blksize ? len - offset : blksize;
        jf_tftp_put_header(batch->headers[i], JF_TFTP_DATA, first + i);
        batch->pieces[2 * i] = (struct iovec){batch->headers[i], JF_TFTP_HEADER};
        batch->pieces[2 * i + 1] = (struct iovec){(void *)(uintptr_t)(bytes + offset), part};
    }
}

// One call, cut into datagrams by the kernel or the network card.
static bool send_segmented(const struct jf_tftp_link *link, struct jf_tftp_batch *batch,
                           size_t count, uint32_t blksize) {
    union control control = {0};
    uint16_t segment = (uint16_t)(blksize + JF_TFTP_HEADER);
    struct msghdr message = {.msg_iov = batch->pieces, .msg_iovlen = 2 * count};
    address(link, &message, &control);
    if (count > 1)
        add_control(&message, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    if (message.msg_controllen == 0)
        message.msg_control = NULL;
    return sendmsg(link->fd, &message, 0) >= 0;
}

static size_t send_each(const struct jf_tftp_link *link, struct jf_tftp_batch *batch,
                        size_t count) {
    union control control = {0};
    for (size_t i = 0; i < count; i++) {
        batch->messages[i] = (struct mmsghdr){0};
        batch->messages[i].msg_hdr.msg_iov = &batch->pieces[2 * i];
        batch->messages[i].msg_hdr.msg_iovlen = 2;
        address(link, &batch->messages[i].msg_hdr, &control);
    }
    int sent = sendmmsg(link->fd, batch->messages, (unsigned)count, 0);
    return sent > 0 ? (size_t)sent : 0;
}

// Lock-step's only case: copying a small block costs less than a gathering call.
static bool send_single(const struct jf_tftp_link *link, struct jf_tftp_batch *batch,
                        uint64_t block, const uint8_t *bytes, size_t len) {
    jf_tftp_put_header(batch->single, JF_TFTP_DATA, block);
    memcpy(batch->single + JF_TFTP_HEADER, bytes, len);
    return send(link->fd, batch->single, JF_TFTP_HEADER + len, 0) >= 0;
}

size_t jf_tftp_link_send_blocks(struct jf_tftp_link *link, struct jf_tftp_batch *batch,
                                uint64_t first, size_t count, uint32_t blksize,
                                const uint8_t *bytes, size_t len) {
    if (count == 1 && link->own && len <= sizeof batch->single - JF_TFTP_HEADER)
        return send_single(link, batch, first, bytes, len);
    bool fits = count * (blksize + JF_TFTP_HEADER) <= JF_TFTP_DATAGRAM_MAX;
    lay_out(batch, first, count, blksize, bytes, len);
    if (count == 1 || (link->segments && fits)) {
        if (send_segmented(link, batch, count, blksize))
            return count;
        if (count == 1 || errno == EAGAIN || errno == ENOBUFS || errno == ECONNREFUSED)
            return 0;
        link->segments = false; // an old kernel, a tunnel, or blocks above the MTU
    }
    return send_each(link, batch, count);
}
