// SPDX-License-Identifier: Apache-2.0
//
// What the two halves of a download share: the thread that fetches
// (download_fetch.c), and the object that others wait for and read (download.c).
#ifndef JF_NET_DOWNLOAD_INTERNAL_H
#define JF_NET_DOWNLOAD_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/wait.h"
#include "net/download.h"

// One who waits for news; on its own stack.
struct jf_download_waiter {
    struct jf_event news;
    struct jf_download_waiter *next;
};

struct jf_download {
    atomic_uint references;
    struct jf_download_options options; // with strings of its own
    struct jf_curl curl;
    struct jf_cancel *cancel; // requested by the last jf_download_unref
    int fd;
    pthread_t thread;

    pthread_mutex_t lock; // of what follows
    struct jf_download_waiter *waiters;
    struct jf_download_progress progress;
    struct jf_download_result result;
    struct jf_error failure;

    // The thread's own.
    struct jf_digest *digest; // of progress.bytes bytes
    bool comparing;           // all is sent again, and `compared` bytes of it were the same
    uint64_t compared;
};

// The thread's function: fetches, with its retries, until it is done.
void *jf_download_fetch(void *download);

// Tells all who wait. With the lock.
void jf_download_tell(struct jf_download *download);

#endif
