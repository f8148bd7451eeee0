// SPDX-License-Identifier: Apache-2.0
//
// What all jobs of a process share. It locks for itself.
#ifndef JF_BASE_SHARED_H
#define JF_BASE_SHARED_H

#include <pthread.h>

// The process has one, which outlasts its jobs.
struct jf_shared {
    // net-snmp keeps users, keys and clocks for the whole process, and does not lock
    // them: held around each call of it, never while waiting.
    pthread_mutex_t net_snmp;
    // mosquitto_lib_init must not run twice at once (mosquitto.h, "Threads").
    pthread_mutex_t mosquitto;
};

#define JF_SHARED_INIT                                                                             \
    { .net_snmp = PTHREAD_MUTEX_INITIALIZER, .mosquitto = PTHREAD_MUTEX_INITIALIZER }

#endif
