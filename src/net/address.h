// SPDX-License-Identifier: Apache-2.0
//
// Which addresses this host has, and which of them a board would see. IPv4 only.
#ifndef JF_NET_ADDRESS_H
#define JF_NET_ADDRESS_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct jf_address {
    char interface[IF_NAMESIZE];
    char address[INET_ADDRSTRLEN];
    unsigned prefix; // bits of the network mask
    bool loopback;
    bool up; // the interface is up and its link running
};

bool jf_is_ipv4(const char *text);

// The address of ours from which packets to `host` (an IPv4 address or a name)
// would leave. Sends no packet to it. JF_IO: no route; JF_UNSUPPORTED: the name
// has no IPv4 address.
enum jf_code jf_address_towards(const char *host, char ret[INET_ADDRSTRLEN], struct jf_error *err);

// All IPv4 addresses of this host. The caller frees *ret_list.
enum jf_code jf_addresses(struct jf_address **ret_list, size_t *ret_count, struct jf_error *err);

// The first IPv4 address of the interface. JF_IO with ENODEV: there is no such
// interface; with EADDRNOTAVAIL: it has none.
enum jf_code jf_interface_address(const char *interface, char ret[INET_ADDRSTRLEN],
                                  struct jf_error *err);

// A random address of 127.0.0.0/8 outside 127.0.0.0/24: boards that need the same
// port side by side each take their own.
enum jf_code jf_random_loopback(char ret[INET_ADDRSTRLEN], struct jf_error *err);

#endif
