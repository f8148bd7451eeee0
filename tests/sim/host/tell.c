// SPDX-License-Identifier: Apache-2.0
//
// sim-tell SOCKET REQUEST: asks a running scripted board (its power switch, its
// faults) and prints the answer. A program of its own, since a power command
// must start in a millisecond.
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// One request, one answer ("ok …" or "error …"), and the connection ends.
static int tell(const char *path, const char *request) {
    char answer[4096];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ssize_t got = -1;
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, request, strlen(request), MSG_NOSIGNAL) >= 0)
        got = recv(fd, answer, sizeof answer - 1, 0);
    if (got <= 0) {
        fprintf(stderr, "sim-tell: %s: %s\n", path, got < 0 ? strerror(errno) : "no answer");
        return EXIT_FAILURE;
    }
    answer[got] = '\0';
    bool ok = strncmp(answer, "ok", 2) == 0;
    const char *text = strchr(answer, ' ');
    fprintf(ok ? stdout : stderr, "%s\n", text ? text + 1 : answer);
    close(fd);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    if (argc == 3)
        return tell(argv[1], argv[2]);
    fputs("usage: sim-tell SOCKET REQUEST\n", stderr);
    return 2;
}
