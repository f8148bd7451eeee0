// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

// Connecting a datagram socket only looks up the route; any port will do.
#define ANY_PORT "9"

bool jf_is_ipv4(const char *text) {
    struct in_addr address;
    return inet_pton(AF_INET, text, &address) == 1;
}

static enum jf_code look_up_route(const struct addrinfo *target, const char *host,
                                  char ret[INET_ADDRSTRLEN], struct jf_error *err) {
    struct sockaddr_in own = {0};
    socklen_t len = sizeof own;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return jf_fail_errno(err, errno, "address towards %s: socket", host);
    enum jf_code code = JF_OK;
    if (connect(fd, target->ai_addr, target->ai_addrlen) != 0 ||
        getsockname(fd, (struct sockaddr *)&own, &len) != 0)
        code = jf_fail_errno(err, errno, "address towards %s: no route", host);
    close(fd);
    if (code == JF_OK)
        inet_ntop(AF_INET, &own.sin_addr, ret, INET_ADDRSTRLEN);
    return code;
}

enum jf_code jf_address_towards(const char *host, char ret[INET_ADDRSTRLEN], struct jf_error *err) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found;
    int failed = getaddrinfo(host, ANY_PORT, &hints, &found);
    if (failed)
        return jf_fail(err, JF_UNSUPPORTED, "address towards %s: no IPv4 address: %s", host,
                       gai_strerror(failed));
    enum jf_code code = look_up_route(found, host, ret, err);
    freeaddrinfo(found);
    return code;
}

static unsigned prefix_of(const struct sockaddr *mask) {
    struct sockaddr_in netmask;
    if (!mask)
        return 32;
    memcpy(&netmask, mask, sizeof netmask);
    return (unsigned)__builtin_popcount(netmask.sin_addr.s_addr);
}

static void fill(struct jf_address *address, const struct ifaddrs *entry) {
    struct sockaddr_in own;
    unsigned running = IFF_UP | IFF_RUNNING;
    memcpy(&own, entry->ifa_addr, sizeof own);
    snprintf(address->interface, sizeof address->interface, "%s", entry->ifa_name);
    inet_ntop(AF_INET, &own.sin_addr, address->address, sizeof address->address);
    address->prefix = prefix_of(entry->ifa_netmask);
    address->loopback = entry->ifa_flags & IFF_LOOPBACK;
    address->up = (entry->ifa_flags & running) == running;
}

static bool is_ours(const struct ifaddrs *entry) {
    return entry->ifa_addr && entry->ifa_addr->sa_family == AF_INET;
}

enum jf_code jf_addresses(struct jf_address **ret_list, size_t *ret_count, struct jf_error *err) {
    struct ifaddrs *all;
    size_t count = 0;
    if (getifaddrs(&all) != 0)
        return jf_fail_errno(err, errno, "addresses of this host");
    for (const struct ifaddrs *entry = all; entry; entry = entry->ifa_next)
        count += is_ours(entry);
    struct jf_address *list = calloc(count + 1, sizeof *list);
    struct jf_address *next = list;
    for (const struct ifaddrs *entry = all; list && entry; entry = entry->ifa_next) {
        if (is_ours(entry))
            fill(next++, entry);
    }
    freeifaddrs(all);
    if (!list)
        return jf_fail(err, JF_LIMIT, "addresses of this host: not enough memory");
    *ret_list = list;
    *ret_count = count;
    return JF_OK;
}

enum jf_code jf_interface_address(const char *interface, char ret[INET_ADDRSTRLEN],
                                  struct jf_error *err) {
    struct jf_address *list = NULL;
    size_t count = 0;
    if (if_nametoindex(interface) == 0)
        return jf_fail_errno(err, ENODEV, "interface \"%s\"", interface);
    enum jf_code code = jf_addresses(&list, &count, err);
    if (code != JF_OK)
        return code;
    size_t i = 0;
    while (i < count && strcmp(list[i].interface, interface) != 0)
        i++;
    if (i < count)
        memcpy(ret, list[i].address, INET_ADDRSTRLEN);
    else
        code = jf_fail_errno(err, EADDRNOTAVAIL, "interface \"%s\" has no IPv4 address", interface);
    free(list);
    return code;
}

enum jf_code jf_random_loopback(char ret[INET_ADDRSTRLEN], struct jf_error *err) {
    unsigned char bytes[3];
    do {
        if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
            return jf_fail_errno(err, errno, "random bytes for a loopback address");
        // The last byte of a host's address is neither a network's nor a broadcast's.
    } while ((bytes[0] == 0 && bytes[1] == 0) || bytes[2] == 0 || bytes[2] == 255);
    snprintf(ret, INET_ADDRSTRLEN, "127.%u.%u.%u", bytes[0], bytes[1], bytes[2]);
    return JF_OK;
}
