// SPDX-License-Identifier: Apache-2.0
//
// A byte stream to the board. Its descriptor is non-blocking: read and write do
// what can be done now, and whoever wants more polls. One thread may read while
// another writes.
#ifndef JF_CONSOLE_STREAM_H
#define JF_CONSOLE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cancel.h"
#include "base/error.h"
#include "console/line.h"

struct jf_stream;

// What each kind of stream does in its own way. Where another side is asked, it takes
// seconds at most, and `cancel` (NULL: none) counts.
struct jf_stream_type {
    // As jf_stream_read; NULL: read(2) on the descriptor.
    enum jf_code (*read)(struct jf_stream *stream, void *bytes, size_t len, size_t *ret_len,
                         struct jf_error *err);
    // As write(2), without ever raising SIGPIPE.
    ssize_t (*write)(struct jf_stream *stream, const void *bytes, size_t len);
    // Starts or ends a break condition; NULL where there is no such thing.
    enum jf_code (*set_break)(struct jf_stream *stream, bool on, const struct jf_cancel *cancel,
                              struct jf_error *err);
    // Drives those of JF_MODEM_DTR and JF_MODEM_RTS that are in `mask` as `values` has
    // them; NULL where there is no such thing.
    enum jf_code (*set_modem)(struct jf_stream *stream, unsigned mask, unsigned values,
                              const struct jf_cancel *cancel, struct jf_error *err);
    // The state of those lines that can be told, outputs as well; NULL as above.
    enum jf_code (*get_modem)(struct jf_stream *stream, struct jf_modem_state *ret_state,
                              const struct jf_cancel *cancel, struct jf_error *err);
    // Changes the settings of the line, apart from dtr, rts and hang_up; NULL as above.
    enum jf_code (*set_line)(struct jf_stream *stream, const struct jf_line *line,
                             const struct jf_cancel *cancel, struct jf_error *err);
    // Has the other side forget what it received and still holds for us. What cannot be
    // forgotten stays; NULL: the other side holds nothing for long.
    void (*purge)(struct jf_stream *stream, const struct jf_cancel *cancel);
    // Puts back what opening changed, closes and frees.
    void (*close)(struct jf_stream *stream);
};

// The head of every stream object.
struct jf_stream {
    const struct jf_stream_type *type;
    int fd; // for poll(2); owned by the stream
};

// All: JF_OK with *ret_len == 0 means "not now"; JF_CLOSED that the other side
// hung up (for a pty, EIO says so); JF_IO anything else.
enum jf_code jf_stream_read_fd(int fd, void *bytes, size_t len, size_t *ret_len,
                               struct jf_error *err);
enum jf_code jf_stream_read(struct jf_stream *stream, void *bytes, size_t len, size_t *ret_len,
                            struct jf_error *err);
enum jf_code jf_stream_write(struct jf_stream *stream, const void *bytes, size_t len,
                             size_t *ret_len, struct jf_error *err);

// JF_UNSUPPORTED where the stream has no such thing.
enum jf_code jf_stream_set_break(struct jf_stream *stream, bool on, const struct jf_cancel *cancel,
                                 struct jf_error *err);
enum jf_code jf_stream_set_modem(struct jf_stream *stream, unsigned mask, unsigned values,
                                 const struct jf_cancel *cancel, struct jf_error *err);
enum jf_code jf_stream_get_modem(struct jf_stream *stream, struct jf_modem_state *ret_state,
                                 const struct jf_cancel *cancel, struct jf_error *err);
enum jf_code jf_stream_set_line(struct jf_stream *stream, const struct jf_line *line,
                                const struct jf_cancel *cancel, struct jf_error *err);

// Does nothing where the stream has no such thing.
void jf_stream_purge(struct jf_stream *stream, const struct jf_cancel *cancel);

// Accepts NULL.
void jf_stream_close(struct jf_stream *stream);

#endif
