// SPDX-License-Identifier: Apache-2.0
//
// What telnet's stream and RFC 2217 on it share. Whoever reads the stream takes the
// server's commands in; what answers them goes out with the next read or write, from
// `telnet.answers`, never inside of data that another thread sends. All of it is
// guarded by `lock`, but for the reading itself.
#ifndef JF_CONSOLE_TELNET_INTERNAL_H
#define JF_CONSOLE_TELNET_INTERNAL_H

#include <pthread.h>

#include "base/buf.h"
#include "console/stream.h"
#include "console/telnet.h"
#include "console/telnet_stream.h"

// How long a writer waits for a server that has suspended it, before it looks up.
#define JF_TELNET_LOOK_UP_S 0.05

struct jf_telnet_stream {
    struct jf_stream stream; // its descriptor is that of `socket`
    struct jf_stream *socket;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct jf_telnet telnet;
    struct jf_buf early; // what came while the line was set up
    bool is_suspended;   // the server takes no data now
    bool has_ended;      // no answer will come any more
    uint8_t awaited;     // number of the answer that is waited for; 0: none
    bool has_answer;
    uint32_t answer;
    bool has_modem; // the server has told the modem lines that it reads
    uint32_t modem;
    bool hides_outputs; // the server does not tell those that it drives
    bool cannot_purge;  // the server does not answer PURGE-DATA
    bool is_lax;        // answers to SET-CONTROL are not waited for
};

// A telnet connection of this type; `on_sub` takes the COM-PORT option's commands (NULL:
// the option is not spoken).
enum jf_code jf_telnet_stream_connect(const char *where, const struct jf_stream_type *type,
                                      void (*on_sub)(void *self, uint8_t option,
                                                     const uint8_t *bytes, size_t len),
                                      jf_deadline deadline, const struct jf_cancel *cancel,
                                      struct jf_telnet_stream **ret_self, struct jf_error *err);

// Of the stream's type.
enum jf_code jf_telnet_stream_read(struct jf_stream *stream, void *bytes, size_t len,
                                   size_t *ret_len, struct jf_error *err);
ssize_t jf_telnet_stream_write(struct jf_stream *stream, const void *bytes, size_t len);
void jf_telnet_stream_close(struct jf_stream *stream);

// While nobody else reads: reads once, when there is something.
enum jf_code jf_telnet_stream_pump(struct jf_telnet_stream *self, jf_deadline deadline,
                                   const struct jf_cancel *cancel, struct jf_error *err);

// The caller holds the lock. Sends what is due (a failure shows at the next read); and
// waits for what a reader takes in, letting the lock go meanwhile.
bool jf_telnet_stream_flush(struct jf_telnet_stream *self);
void jf_telnet_stream_wait(struct jf_telnet_stream *self, double seconds);

#endif
