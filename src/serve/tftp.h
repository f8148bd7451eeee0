// SPDX-License-Identifier: Apache-2.0
//
// A TFTP server (RFC 1350, 2347, 2348, 2349, 7440) on a thread of its own. It
// hands out registered contents and receives registered files; nothing else is
// reachable. IPv4 only. All functions are safe from any thread.
#ifndef JF_SERVE_TFTP_H
#define JF_SERVE_TFTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "serve/content.h"
#include "serve/tftp_packet.h"

struct jf_tftp;

struct jf_tftp_options {
    const char *host;        // IPv4 address to bind, "0.0.0.0" for all
    uint16_t port;           // 0: a free one
    bool single_port;        // all packets through the one port, for NAT and firewalls
    uint32_t max_blksize;    // 0: what the path carries in one piece
    uint32_t max_windowsize; // blocks, at least 1
    bool receive;            // clients may send files, into names made for it
    double retry_s;          // a transfer fails after so long without an answer
};

enum jf_tftp_state {
    JF_TFTP_ACTIVE,
    JF_TFTP_ENDED_WELL,
    JF_TFTP_FAILED,
};

// One transfer, under way or ended.
struct jf_tftp_info {
    char name[JF_TFTP_NAME_SIZE];
    char client[24]; // "address:port"
    bool write;      // the client sends
    bool total_known;
    enum jf_tftp_state state;
    uint32_t blksize;
    uint32_t windowsize;
    uint64_t bytes; // of the file, acknowledged or stored
    uint64_t total;
    uint64_t retransmits; // packets that were sent again
    int64_t started_ns;
    int64_t ended_ns; // 0 while active
    char error[256];
    char sha256[JF_SHA256_HEX_SIZE]; // of a received file
};

struct jf_tftp_stats {
    uint64_t requests;  // datagrams that asked for a transfer, also refused ones
    uint64_t refused;   // requests answered with an error, or not at all
    uint64_t malformed; // datagrams that broke the protocol
};

// Binds and starts. JF_IO names address and port. On success the caller owns the
// server and frees it with jf_tftp_free.
enum jf_code jf_tftp_start(const struct jf_tftp_options *options, struct jf_tftp **ret_server,
                           struct jf_error *err);

// Stops all transfers (their clients get an ERROR), ends the thread, closes all.
// Accepts NULL.
void jf_tftp_free(struct jf_tftp *server);

// Where it listens; "host" lives as long as the server.
const char *jf_tftp_host(const struct jf_tftp *server);
uint16_t jf_tftp_port(const struct jf_tftp *server);

// Serves `content` (the server takes a reference) under `name`; replaces what the
// name stood for, for new requests.
enum jf_code jf_tftp_add(struct jf_tftp *server, const char *name, struct jf_content *content,
                         struct jf_error *err);

// Lets a client send one file of up to `limit_bytes` to `name`; it appears at `path`
// when it is complete. JF_UNSUPPORTED unless the option `receive` is on.
enum jf_code jf_tftp_receive(struct jf_tftp *server, const char *name, const char *path,
                             uint64_t limit_bytes, struct jf_error *err);

// False when there was no such name. Transfers under way go on.
bool jf_tftp_remove(struct jf_tftp *server, const char *name);

// From now on only this address is answered, and transfers of others end; NULL
// lifts it. JF_UNSUPPORTED when it is no IPv4 address.
enum jf_code jf_tftp_only(struct jf_tftp *server, const char *address, struct jf_error *err);

// Copies up to `max` transfers, oldest first; the server remembers the last 256 that
// ended. Returns how many there are.
size_t jf_tftp_transfers(struct jf_tftp *server, struct jf_tftp_info *infos, size_t max);

void jf_tftp_stats(struct jf_tftp *server, struct jf_tftp_stats *ret_stats);

// Waits until no transfer of `name` is under way and at least one has ended; tells
// the latest. JF_TIMEOUT, JF_CANCELLED.
enum jf_code jf_tftp_wait(struct jf_tftp *server, const char *name, jf_deadline deadline,
                          const struct jf_cancel *cancel, struct jf_tftp_info *ret_info,
                          struct jf_error *err);

#endif
