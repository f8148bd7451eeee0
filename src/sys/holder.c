// SPDX-License-Identifier: Apache-2.0
#include "sys/holder.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sys/account.h"

// The kernel's own limit is 15 bytes and a NUL.
#define NAME_SIZE 32

static bool read_name(pid_t pid, char ret_name[NAME_SIZE]) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, ret_name, NAME_SIZE - 1);
    close(fd);
    ret_name[len > 0 ? len : 0] = '\0';
    ret_name[strcspn(ret_name, "\n")] = '\0';
    // A process names itself as it likes; this goes to terminals and logs.
    for (char *next = ret_name; *next; next++) {
        if (!isprint((unsigned char)*next))
            *next = '?';
    }
    return len > 0;
}

bool jf_holder_describe(pid_t pid, char ret_text[JF_HOLDER_SIZE]) {
    char path[64];
    char name[NAME_SIZE];
    char user[JF_USER_SIZE];
    struct stat info;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (pid <= 0 || stat(path, &info) != 0 || !read_name(pid, name))
        return false;
    jf_user_name(info.st_uid, user);
    snprintf(ret_text, JF_HOLDER_SIZE, "%s (pid %d, user %s)", name, (int)pid, user);
    return true;
}

// A line of /proc/locks (proc(5)): "1: FLOCK  ADVISORY  WRITE 77 00:05:94 0 EOF".
// A process that waits for a lock has "->" behind the number.
static bool parse_lock(const char *line, const struct stat *info, pid_t *ret_pid) {
    unsigned major_number, minor_number;
    unsigned long long inode;
    int pid;
    return sscanf(line, "%*d: FLOCK ADVISORY WRITE %d %x:%x:%llu", &pid, &major_number,
                  &minor_number, &inode) == 4 &&
           inode == info->st_ino && major_number == major(info->st_dev) &&
           minor_number == minor(info->st_dev) && (*ret_pid = pid) > 0;
}

bool jf_holder_of_flock(const struct stat *info, char ret_text[JF_HOLDER_SIZE]) {
    FILE *locks = fopen("/proc/locks", "re");
    char line[256];
    pid_t pid = 0;
    if (!locks)
        return false;
    while (pid == 0 && fgets(line, sizeof line, locks)) {
        if (!parse_lock(line, info, &pid))
            pid = 0;
    }
    fclose(locks);
    return jf_holder_describe(pid, ret_text);
}

static bool has_open(pid_t pid, const struct stat *info) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *fds = opendir(path);
    if (!fds)
        return false;
    bool found = false;
    const struct dirent *entry;
    struct stat opened;
    while (!found && (entry = readdir(fds)))
        found = fstatat(dirfd(fds), entry->d_name, &opened, 0) == 0 && S_ISCHR(opened.st_mode) &&
                opened.st_rdev == info->st_rdev && opened.st_dev == info->st_dev &&
                opened.st_ino == info->st_ino;
    closedir(fds);
    return found;
}

bool jf_holder_of_device(const struct stat *info, char ret_text[JF_HOLDER_SIZE]) {
    DIR *processes = opendir("/proc");
    if (!processes)
        return false;
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(processes))) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        found =
            pid > 0 && pid != getpid() && has_open(pid, info) && jf_holder_describe(pid, ret_text);
    }
    closedir(processes);
    return found;
}
