// SPDX-License-Identifier: Apache-2.0
//
// What the files of a console share.
//
// Two threads may read the stream, one at a time: the console's own at all times,
// except while the job's thread waits for a match. That one then reads by itself,
// since handing the match from thread to thread would cost another wake-up. It
// claims the stream for that time; the console's thread parks when it notices. It
// looks every few milliseconds whether it is needed again, so that neither claim
// nor release of a short wait costs a system call; when the wait gets longer it
// falls asleep, and the release wakes it.
//
// The order of the locks: `reading`, `state`.
#ifndef JF_CONSOLE_INTERNAL_H
#define JF_CONSOLE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/wait.h"
#include "console/console.h"
#include "console/live.h"
#include "console/stream.h"
#include "console/transcript.h"

#define JF_CONSOLE_READ_SIZE 65536

struct jf_console {
    char *name;
    struct jf_stream *stream;
    struct jf_line line; // the job's thread's
    struct jf_redactor *redactor;
    pthread_t thread;
    bool has_thread;
    struct jf_event wake; // the thread, to look at `claimed` and `closing`
    atomic_bool closing;
    struct jf_live *live; // NULL: none; the job's thread's

    pthread_mutex_t reading; // held by whoever reads the stream
    atomic_bool claimed;     // by the job's thread; written under `reading`
    bool asleep;             // the thread waits for `wake`; guarded by `reading`
    char raw[JF_CONSOLE_READ_SIZE];

    pthread_mutex_t state; // guards all that follows
    struct jf_inbox inbox;
    struct jf_transcript *transcript; // NULL: none
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t forgotten; // position of the last discard
    int echo_fd;        // -1: none
    struct jf_redact_stream echo_stream;
    struct jf_buf echo_text;
    int tee_fd;           // write end of the pipe to an attached terminal; -1: none
    uint64_t tee_dropped; // bytes that the pipe did not take
};

// For the job's thread: from now on only it reads, in jf_console_await; and back.
void jf_console_claim(struct jf_console *console);
void jf_console_release(struct jf_console *console);

// Reads once, without waiting, and takes in what came. False when there was
// nothing, or the stream has ended. For the thread whose turn it is.
bool jf_console_step(struct jf_console *console);

// For the job's thread, claimed: waits until there is something to take in, takes
// in one piece of it, or notes that the stream ended. JF_TIMEOUT, JF_CANCELLED, JF_IO as
// jf_wait_fd.
enum jf_code jf_console_await(struct jf_console *console, jf_deadline deadline,
                              const struct jf_cancel *cancel, struct jf_error *err);

// Appends what the last lines were to a message: `; last output "…"`.
void jf_console_add_tail(struct jf_console *console, struct jf_error *err);

// Writes to a descriptor that is not ours to make non-blocking, without being
// held up by it. Returns how many bytes it took.
size_t jf_write_ready(int fd, const char *bytes, size_t len);

// The echo's part of what was received; the caller holds `state`.
void jf_echo_add(struct jf_console *console, const char *text, size_t len);

// Part of sending: writes what the stream takes now and records it.
enum jf_code jf_console_put(struct jf_console *console, const char *bytes, size_t len,
                            size_t *ret_len, struct jf_error *err);

#endif
