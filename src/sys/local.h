// SPDX-License-Identifier: Apache-2.0
//
// A client of a unix-domain stream socket that talks in lines.
#ifndef JF_SYS_LOCAL_H
#define JF_SYS_LOCAL_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

struct jf_local {
    int fd;                // -1 in a closed socket
    struct jf_buf pending; // received, not yet read
};

// Connects to the socket at `path`. Release with jf_local_close, which accepts a
// closed one.
enum jf_code jf_local_connect(const char *path, jf_deadline deadline,
                              const struct jf_cancel *cancel, struct jf_local *ret_local,
                              struct jf_error *err);

void jf_local_close(struct jf_local *local);

// The process that listens at the other end.
enum jf_code jf_local_peer(const struct jf_local *local, pid_t *ret_pid, uid_t *ret_uid,
                           struct jf_error *err);

// Sends all of `bytes`; JF_CLOSED when the peer has gone.
enum jf_code jf_local_send(struct jf_local *local, const void *bytes, size_t len,
                           jf_deadline deadline, const struct jf_cancel *cancel,
                           struct jf_error *err);

// Appends the next line to `line`, without its line end (LF or CR LF). JF_CLOSED
// when the peer has gone, JF_LIMIT for a line of more than 1 MiB.
enum jf_code jf_local_read_line(struct jf_local *local, jf_deadline deadline,
                                const struct jf_cancel *cancel, struct jf_buf *line,
                                struct jf_error *err);

#endif
