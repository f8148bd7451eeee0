// SPDX-License-Identifier: Apache-2.0
#include "sys/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/wait.h"

// Shared by the caller and the look-up's thread, which may outlast the caller's
// patience; whoever leaves last frees it.
struct lookup {
    atomic_int users;
    struct jf_event done;
    int result; // of getaddrinfo
    int sys_errno;
    struct sockaddr_in address;
    char host[];
};

static void leave(struct lookup *lookup) {
    if (atomic_fetch_sub(&lookup->users, 1) > 1)
        return;
    jf_event_close(&lookup->done);
    free(lookup);
}

static void *look_up(void *argument) {
    struct lookup *lookup = argument;
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    lookup->result = getaddrinfo(lookup->host, NULL, &hints, &list);
    lookup->sys_errno = errno;
    if (lookup->result == 0) {
        memcpy(&lookup->address, list->ai_addr, sizeof lookup->address);
        freeaddrinfo(list);
    }
    jf_event_raise(&lookup->done);
    leave(lookup);
    return NULL;
}

// A detached thread with all signals blocked; 0 or an errno.
static int start_thread(struct lookup *lookup) {
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    pthread_t thread;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, &attributes, look_up, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed;
}

// NULL, with *err filled, when the system has no room for a thread.
static struct lookup *start(const char *host, struct jf_error *err) {
    size_t size = strlen(host) + 1;
    struct lookup *lookup = calloc(1, sizeof *lookup + size);
    if (!lookup) {
        jf_fail(err, JF_LIMIT, "not enough memory");
        return NULL;
    }
    memcpy(lookup->host, host, size);
    atomic_init(&lookup->users, 2);
    if (jf_event_open(&lookup->done, err) == JF_OK) {
        int failed = start_thread(lookup);
        if (!failed)
            return lookup;
        jf_fail_errno(err, failed, "thread");
        jf_event_close(&lookup->done);
    }
    free(lookup);
    return NULL;
}

static enum jf_code outcome(const struct lookup *lookup, struct jf_error *err) {
    if (lookup->result == 0)
        return JF_OK;
    if (lookup->result == EAI_SYSTEM)
        return jf_fail_errno(err, lookup->sys_errno, "name \"%s\"", lookup->host);
    return jf_fail(err, JF_IO, "name \"%s\": %s", lookup->host, gai_strerror(lookup->result));
}

enum jf_code jf_resolve(const char *host, uint16_t port, jf_deadline deadline,
                        const struct jf_cancel *cancel, struct sockaddr_in *ret_address,
                        struct jf_error *err) {
    *ret_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, host, &ret_address->sin_addr) == 1)
        return JF_OK;
    struct jf_error reason;
    struct lookup *lookup = start(host, &reason);
    if (!lookup) {
        if (err)
            *err = reason;
        return reason.code;
    }
    enum jf_code code = jf_event_wait(&lookup->done, deadline, cancel, err);
    if (code == JF_OK)
        code = outcome(lookup, err);
    else if (err)
        jf_prefix(err, "name \"%s\"", host);
    if (code == JF_OK)
        ret_address->sin_addr = lookup->address.sin_addr;
    leave(lookup);
    return code;
}
