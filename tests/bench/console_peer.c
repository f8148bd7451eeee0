// SPDX-License-Identifier: Apache-2.0
//
// The far ends of the console benchmark.
//
//   console_peer board                 makes a pty, prints its path, and plays a
//                                      board until its input (a pipe) ends
//   console_peer drain PATH BYTES      the bare read loop: asks for BYTES of noise,
//                                      reads up to the prompt, prints seconds
//   console_peer latency PATH COUNT    the same for the time from the board's write
//                                      to the end of the read; prints microseconds (p50)
//
// What the board does on a line from the console:
//   n BYTES   writes that much noise and the prompt
//   p         waits a millisecond, writes the time in nanoseconds and the prompt
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PROMPT "board=> "
#define BLOCK 65536

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void write_all(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t put = write(fd, bytes, len);
        if (put < 0 && errno != EINTR)
            die("write");
        if (put > 0) {
            bytes += put;
            len -= (size_t)put;
        }
    }
}

static size_t fill_noise(char *block) {
    size_t used = 0;
    for (unsigned i = 0; used + 120 < BLOCK; i++)
        used += (size_t)snprintf(block + used, 120,
                                 "[%5u.%06u] usb 1-%u: new device number %u, board=%u found\r\n",
                                 i / 7, i * 7919 % 1000000, i % 9, i % 127, i % 3);
    return used;
}

static void write_noise(int fd, size_t bytes) {
    static char block[BLOCK];
    size_t size = fill_noise(block);
    while (bytes > 0) {
        size_t piece = bytes < size ? bytes : size;
        write_all(fd, block, piece);
        bytes -= piece;
    }
    write_all(fd, "\r\n" PROMPT, sizeof PROMPT + 1);
}

static void write_stamp(int fd) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    char text[64];
    int len = snprintf(text, sizeof text, "%lld " PROMPT, now_ns());
    write_all(fd, text, (size_t)len);
}

static void obey(int fd, const char *line) {
    if (line[0] == 'n')
        write_noise(fd, strtoull(line + 1, NULL, 10));
    else if (line[0] == 'p')
        write_stamp(fd);
}

static void read_lines(int fd) {
    static char line[256];
    static size_t used;
    char bytes[64];
    ssize_t got = read(fd, bytes, sizeof bytes);
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] != '\n') {
            if (used + 1 < sizeof line)
                line[used++] = bytes[i];
            continue;
        }
        line[used] = '\0';
        used = 0;
        obey(fd, line);
    }
}

static int play_board(void) {
    int master;
    int slave;
    struct termios raw;
    char path[64];
    if (openpty(&master, &slave, path, NULL, NULL) != 0)
        die("openpty");
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    printf("%s\n", path);
    fflush(stdout);
    // Our own slave descriptor stays open, so that consoles can come and go.
    struct pollfd fds[] = {{.fd = master, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    while (poll(fds, 2, -1) >= 0 && !fds[1].revents) {
        if (fds[0].revents)
            read_lines(master);
    }
    return 0;
}

// Reads up to the prompt; returns the length of what is in `tail`, whose last
// bytes are the prompt.
static size_t read_to_prompt(int fd, char *tail) {
    size_t used = 0;
    for (;;) {
        ssize_t got = read(fd, tail + used, BLOCK - used);
        if (got <= 0)
            die("read");
        used += (size_t)got;
        const size_t len = sizeof PROMPT - 1;
        if (used >= len && memcmp(tail + used - len, PROMPT, len) == 0)
            return used;
        if (used > BLOCK / 2) {
            memmove(tail, tail + used - len, len);
            used = len;
        }
    }
}

static int open_console(const char *path) {
    int fd = open(path, O_RDWR | O_NOCTTY);
    if (fd < 0)
        die(path);
    return fd;
}

static int drain(const char *path, const char *bytes) {
    static char tail[BLOCK];
    int fd = open_console(path);
    long long start = now_ns();
    dprintf(fd, "n %s\n", bytes);
    read_to_prompt(fd, tail);
    printf("%.6f\n", (double)(now_ns() - start) / 1e9);
    return 0;
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static int latency(const char *path, int count) {
    static char tail[BLOCK];
    int fd = open_console(path);
    double *times = calloc((size_t)count, sizeof *times);
    for (int i = 0; i < count; i++) {
        dprintf(fd, "p\n");
        read_to_prompt(fd, tail);
        times[i] = (double)(now_ns() - strtoll(tail, NULL, 10)) / 1e3;
    }
    qsort(times, (size_t)count, sizeof *times, compare);
    printf("%.2f\n", times[count / 2]);
    free(times);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "board") == 0)
        return play_board();
    if (argc == 4 && strcmp(argv[1], "drain") == 0)
        return drain(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "latency") == 0)
        return latency(argv[2], atoi(argv[3]));
    fprintf(stderr, "usage: see the head of this program's source\n");
    return 2;
}
