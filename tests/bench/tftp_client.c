// SPDX-License-Identifier: Apache-2.0
//
// The far ends of the TFTP benchmark.
//   tftp_client get HOST PORT NAME BLKSIZE WINDOW CLIENTS SERVER_PID
//       CLIENTS transfers at once from one thread; prints "bytes seconds cpu_s",
//       cpu_s being what the process SERVER_PID used meanwhile.
//   tftp_client pong HOST PORT SIZE
//       answers each datagram by one of SIZE bytes: the floor under lock-step.
//   tftp_client ping HOST PORT COUNT
//       prints "bytes seconds 0" for COUNT such exchanges.
//   tftp_client link DELAY_US DROP_NTH
//       two network namespaces, 10.213.0.1 and 10.213.0.2, joined by a line with
//       that delay each way that loses each DROP_NTH-th packet (0: none). Prints
//       the pid of a process in each; ends with its standard input.
// Kept small and fast: it must not be what is measured.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define MAX_DATAGRAM 65468

static void die(const char *what) {
    perror(what);
    exit(1);
}

static double seconds(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        return 0;
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static clockid_t cpu_clock_of(const char *pid) {
    clockid_t clock;
    if (clock_getcpuclockid((pid_t)atoi(pid), &clock) != 0)
        die("clock_getcpuclockid");
    return clock;
}

static struct sockaddr_in address_of(const char *host, const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die(host);
    return address;
}

static int udp_socket(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct timeval patience = {.tv_sec = 5};
    int size = 4 << 20;
    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

// One transfer.
struct client {
    int fd;
    bool connected;
    bool done;
    uint64_t got; // blocks, in order
    uint64_t acked;
    uint64_t answered; // the gap at this block was answered
    uint64_t bytes;
    uint32_t blksize, window;
};

static void send_ack(struct client *client) {
    uint8_t ack[4] = {0, 4, (uint8_t)(client->got >> 8), (uint8_t)client->got};
    if (send(client->fd, ack, sizeof ack, 0) < 0 && errno != ECONNREFUSED)
        die("send");
    client->acked = client->got;
}

static void take_oack(struct client *client, const char *at, const char *end) {
    client->window = 1;
    client->blksize = 512;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, "blksize") == 0)
            client->blksize = (uint32_t)atoi(value);
        if (strcmp(at, "windowsize") == 0)
            client->window = (uint32_t)atoi(value);
        at = value + strlen(value) + 1;
    }
    send_ack(client);
}

static void take_data(struct client *client, uint16_t block, size_t len) {
    if (block != (uint16_t)(client->got + 1)) {
        // A copy or a gap: answered at once, but once only within a window.
        if (client->window == 1 || client->answered != client->got)
            send_ack(client);
        client->answered = client->got;
        return;
    }
    client->got++;
    client->bytes += len;
    client->done = len < client->blksize;
    if (client->done || client->got - client->acked >= client->window)
        send_ack(client);
}

static void take(struct client *client, uint8_t *packet, size_t len) {
    unsigned opcode = (unsigned)packet[1];
    packet[len] = 0;
    if (opcode == 6) {
        take_oack(client, (char *)packet + 2, (char *)packet + len);
    } else if (opcode == 3) {
        take_data(client, (uint16_t)(packet[2] << 8 | packet[3]), len - 4);
    } else {
        fprintf(stderr, "server: %s\n", packet + 4);
        exit(1);
    }
}

struct buffers {
    uint8_t *bytes[BATCH];
    struct iovec pieces[BATCH];
    struct mmsghdr messages[BATCH];
    struct sockaddr_in from;
};

// Takes what has arrived. Waits for the first packet when the socket blocks.
static bool receive(struct client *client, struct buffers *buffers) {
    if (!client->connected) {
        socklen_t size = sizeof buffers->from;
        ssize_t len = recvfrom(client->fd, buffers->bytes[0], MAX_DATAGRAM, 0,
                               (struct sockaddr *)&buffers->from, &size);
        if (len < 4)
            return false;
        connect(client->fd, (struct sockaddr *)&buffers->from, size);
        client->connected = true;
        take(client, buffers->bytes[0], (size_t)len);
        return true;
    }
    if (client->window == 1) {
        ssize_t len = recv(client->fd, buffers->bytes[0], MAX_DATAGRAM, 0);
        if (len >= 4)
            take(client, buffers->bytes[0], (size_t)len);
        return len >= 4;
    }
    int count = recvmmsg(client->fd, buffers->messages, BATCH, MSG_WAITFORONE, NULL);
    for (int i = 0; i < count && !client->done; i++)
        take(client, buffers->bytes[i], buffers->messages[i].msg_len);
    return count > 0;
}

static struct buffers *make_buffers(void) {
    struct buffers *buffers = calloc(1, sizeof *buffers);
    for (int i = 0; i < BATCH; i++) {
        buffers->bytes[i] = malloc(MAX_DATAGRAM + 1);
        buffers->pieces[i] = (struct iovec){buffers->bytes[i], MAX_DATAGRAM};
        buffers->messages[i].msg_hdr.msg_iov = &buffers->pieces[i];
        buffers->messages[i].msg_hdr.msg_iovlen = 1;
    }
    return buffers;
}

static size_t make_request(char *request, size_t size, char **argv) {
    int len =
        snprintf(request, size, "%c%c%s%coctet%cblksize%c%s%c", 0, 1, argv[4], 0, 0, 0, argv[5], 0);
    if (atoi(argv[6]) > 1)
        len += snprintf(request + len, size - (size_t)len, "windowsize%c%s%c", 0, argv[6], 0);
    return (size_t)len;
}

static void run_one(struct client *client, struct buffers *buffers) {
    while (!client->done) {
        if (!receive(client, buffers))
            send_ack(client); // our own timer
    }
}

static void run_all(struct client *clients, int count, struct buffers *buffers) {
    struct epoll_event events[BATCH];
    int left = count;
    int epoll_fd = epoll_create1(0);
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        fcntl(clients[i].fd, F_SETFL, O_NONBLOCK);
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, clients[i].fd, &event);
    }
    while (left > 0) {
        int ready = epoll_wait(epoll_fd, events, BATCH, 5000);
        if (ready <= 0)
            die("no answer for 5 s");
        for (int i = 0; i < ready; i++) {
            struct client *client = events[i].data.ptr;
            if (client->done)
                continue;
            receive(client, buffers);
            left -= client->done;
        }
    }
}

static int get(char **argv) {
    struct sockaddr_in server = address_of(argv[2], argv[3]);
    int count = atoi(argv[7]);
    clockid_t cpu = cpu_clock_of(argv[8]);
    struct client *clients = calloc((size_t)count, sizeof *clients);
    struct buffers *buffers = make_buffers();
    char request[512];
    size_t len = make_request(request, sizeof request, argv);
    double began = seconds(CLOCK_MONOTONIC);
    double cpu_began = seconds(cpu);
    for (int i = 0; i < count; i++) {
        clients[i] = (struct client){.fd = udp_socket(), .window = 1, .answered = UINT64_MAX};
        if (sendto(clients[i].fd, request, len, 0, (struct sockaddr *)&server, sizeof server) < 0)
            die("sendto");
    }
    if (count == 1)
        run_one(clients, buffers);
    else
        run_all(clients, count, buffers);
    uint64_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += clients[i].bytes;
    printf("%llu %.6f %.6f\n", (unsigned long long)bytes, seconds(CLOCK_MONOTONIC) - began,
           seconds(cpu) - cpu_began);
    return 0;
}

static int pong(char **argv) {
    struct sockaddr_in own = address_of(argv[2], argv[3]);
    static uint8_t bytes[MAX_DATAGRAM];
    size_t size = (size_t)atoi(argv[4]);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&own, sizeof own) != 0)
        die("bind");
    // As a server with a socket per transfer: connected to its one client.
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&peer, &len);
    connect(fd, (struct sockaddr *)&peer, len);
    do {
        if (send(fd, bytes, size, 0) < 0)
            break;
    } while (recv(fd, bytes, sizeof bytes, 0) > 0);
    return 0;
}

static int ping(char **argv) {
    struct sockaddr_in server = address_of(argv[2], argv[3]);
    static uint8_t bytes[MAX_DATAGRAM];
    int fd = udp_socket();
    uint64_t total = 0;
    connect(fd, (struct sockaddr *)&server, sizeof server);
    double began = seconds(CLOCK_MONOTONIC);
    for (int i = atoi(argv[4]); i > 0; i--) {
        if (send(fd, bytes, 4, 0) < 0)
            die("send");
        ssize_t len = recv(fd, bytes, sizeof bytes, 0);
        if (len < 0)
            die("recv");
        total += (uint64_t)len;
    }
    printf("%llu %.6f 0\n", (unsigned long long)total, seconds(CLOCK_MONOTONIC) - began);
    return 0;
}

// A TUN device in a new network namespace, up, with its address.
static int tun_in_new_namespace(const char *ip) {
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    if (unshare(CLONE_NEWNET) != 0)
        die("network namespace");
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    snprintf(request.ifr_name, sizeof request.ifr_name, "line0");
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
        die("/dev/net/tun");
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = address_of(ip, "0");
    struct sockaddr_in mask = address_of("255.255.255.0", "0");
    memcpy(&request.ifr_addr, &address, sizeof address);
    if (ioctl(control, SIOCSIFADDR, &request) != 0)
        die("SIOCSIFADDR");
    memcpy(&request.ifr_addr, &mask, sizeof mask);
    ioctl(control, SIOCSIFNETMASK, &request);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(control, SIOCSIFFLAGS, &request) != 0)
        die("SIOCSIFFLAGS");
    close(control);
    return fd;
}

#define LINE 1024

struct packet {
    double due;
    size_t len;
    uint8_t bytes[2048];
};

// One direction of the line: packets in the order in which they are due.
struct line {
    int in, out;
    uint64_t seen;
    size_t first, count;
    struct packet *ring;
};

static void line_read(struct line *line, double delay, uint64_t drop_nth) {
    while (line->count < LINE) {
        struct packet *packet = &line->ring[(line->first + line->count) % LINE];
        ssize_t len = read(line->in, packet->bytes, sizeof packet->bytes);
        if (len <= 0)
            return;
        // IPv4 UDP only: the kernel's own chatter is not part of the line.
        if ((packet->bytes[0] >> 4) != 4 || packet->bytes[9] != IPPROTO_UDP)
            continue;
        if (drop_nth && ++line->seen % drop_nth == 0)
            continue;
        packet->len = (size_t)len;
        packet->due = seconds(CLOCK_MONOTONIC) + delay;
        line->count++;
    }
}

// Delivers what is due; returns when the next packet is, or 0.
static double line_write(struct line *line) {
    while (line->count > 0) {
        struct packet *packet = &line->ring[line->first];
        if (packet->due > seconds(CLOCK_MONOTONIC))
            return packet->due;
        ssize_t ignored = write(line->out, packet->bytes, packet->len);
        (void)ignored;
        line->first = (line->first + 1) % LINE;
        line->count--;
    }
    return 0;
}

static int run_link(char **argv) {
    double delay = atof(argv[2]) / 1e6;
    uint64_t drop_nth = (uint64_t)atoll(argv[3]);
    int here = tun_in_new_namespace("10.213.0.1");
    pid_t holder = fork();
    if (holder == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    int there = tun_in_new_namespace("10.213.0.2");
    prctl(PR_SET_TIMERSLACK, 1000);
    printf("%d %d\n", (int)holder, (int)getpid());
    fflush(stdout);
    struct line lines[2] = {
        {.in = here, .out = there, .ring = calloc(LINE, sizeof(struct packet))},
        {.in = there,
         .out = here,
         .seen = drop_nth / 2,
         .ring = calloc(LINE, sizeof(struct packet))},
    };
    struct pollfd fds[3] = {{.fd = here, .events = POLLIN},
                            {.fd = there, .events = POLLIN},
                            {.fd = 0, .events = POLLIN}};
    while (!fds[2].revents) {
        double due = 0;
        for (int i = 0; i < 2; i++) {
            line_read(&lines[i], delay, drop_nth);
            double next = line_write(&lines[i]);
            due = next > 0 && (due <= 0 || next < due) ? next : due;
        }
        double wait = due > 0 ? due - seconds(CLOCK_MONOTONIC) : 1;
        struct timespec pause = {.tv_nsec = wait > 0 ? (long)(wait * 999999999) : 0};
        ppoll(fds, 3, &pause, NULL);
    }
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 9 && strcmp(argv[1], "get") == 0)
        return get(argv);
    if (argc == 5 && strcmp(argv[1], "pong") == 0)
        return pong(argv);
    if (argc == 5 && strcmp(argv[1], "ping") == 0)
        return ping(argv);
    if (argc == 4 && strcmp(argv[1], "link") == 0)
        return run_link(argv);
    fputs("see the top of tftp_client.c\n", stderr);
    return 2;
}
