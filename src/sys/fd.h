// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing descriptors whole, with a deadline and cancellation. The
// descriptors may be blocking or not: each call waits before it could block.
#ifndef JF_SYS_FD_H
#define JF_SYS_FD_H

#include <stddef.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

// Closes and sets to -1; does nothing for -1. Keeps errno.
void jf_fd_close(int *fd);

// Opens a pipe whose ends are close-on-exec and above the standard descriptors.
enum jf_code jf_fd_pipe(int ret_ends[2], struct jf_error *err);

enum jf_code jf_fd_set_nonblocking(int fd, struct jf_error *err);

// Writes all of `bytes`. A cancellation or the deadline only ends a write that
// cannot go on at once, so that last words after a cancellation still come out.
enum jf_code jf_fd_write(int fd, const void *bytes, size_t len, jf_deadline deadline,
                         const struct jf_cancel *cancel, struct jf_error *err);

// Appends all bytes up to the end of file to `out`; JF_LIMIT when there are more
// than `limit`.
enum jf_code jf_fd_read_all(int fd, size_t limit, jf_deadline deadline,
                            const struct jf_cancel *cancel, struct jf_buf *out,
                            struct jf_error *err);

// Appends one line, without its line feed, to `line`, and takes nothing behind
// it from the descriptor. A last line without a line feed counts; JF_CLOSED at
// the end of file.
enum jf_code jf_fd_read_line(int fd, jf_deadline deadline, const struct jf_cancel *cancel,
                             struct jf_buf *line, struct jf_error *err);

#endif
