// SPDX-License-Identifier: Apache-2.0
#include "sys/uucp_lock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/holder.h"
#include "sys/pid.h"

// What comes back again and again is not left over by a crash.
#define TRIES 200
#define PAUSE_MS 5
// A program that makes the file first and writes its pid then has this long for it.
#define WRITING_S 0.1
// "%10d\n", and room for those who write more.
#define CONTENT_SIZE 32
// Clocks of the boot time and of file systems, in seconds.
#define CLOCK_SLACK_S 2

static bool name_lock(const char *dir, const char *device, char *path, size_t size) {
    const char *slash = strrchr(device, '/');
    return (size_t)snprintf(path, size, "%s/LCK..%s", dir, slash ? slash + 1 : device) < size;
}

// Ten columns and a line feed; some programs (microcom) write the bytes of a number.
static pid_t parse_pid(const char *content, ssize_t len) {
    int binary = 0;
    if (len > 0 && isprint((unsigned char)content[0]) && isprint((unsigned char)content[len / 2]))
        return (pid_t)strtol(content, NULL, 10);
    if (len == (ssize_t)sizeof(int) || len == (ssize_t)sizeof(long))
        memcpy(&binary, content, sizeof binary);
    return binary;
}

// Whether the process that wrote the file has ended: its number is nobody's, or one's
// that began afterwards, or that of a zombie, whose files are closed.
static bool is_gone(pid_t pid, time_t written) {
    char path[64];
    struct timespec now, since_boot;
    uint64_t ticks;
    if (kill(pid, 0) != 0 && errno == ESRCH)
        return true;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (!jf_pid_start(pid, &ticks))
        return access(path, F_OK) == 0; // else hidden from us (hidepid, proc(5))
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    time_t started =
        now.tv_sec - since_boot.tv_sec + (time_t)(ticks / (uint64_t)sysconf(_SC_CLK_TCK));
    return started > written + CLOCK_SLACK_S;
}

static pid_t read_pid(int fd) {
    char content[CONTENT_SIZE] = "";
    return parse_pid(content, pread(fd, content, sizeof content - 1, 0));
}

// The living process that wrote the file; 0 when there is none.
static pid_t find_holder(int fd) {
    struct stat info;
    pid_t pid = read_pid(fd);
    if (pid <= 0 || fstat(fd, &info) != 0)
        return 0;
    return is_gone(pid, info.st_mtime) ? 0 : pid;
}

// Whether there is no pid in the file, but may be in a moment.
static bool is_being_written(int fd) {
    struct stat info;
    struct timespec now;
    if (read_pid(fd) > 0 || fstat(fd, &info) != 0 || clock_gettime(CLOCK_REALTIME, &now) != 0)
        return false;
    double age_s = difftime(now.tv_sec, info.st_mtim.tv_sec) +
                   (double)(now.tv_nsec - info.st_mtim.tv_nsec) / 1e9;
    return age_s >= 0 && age_s < WRITING_S;
}

static int open_lock(const char *path) {
    return open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static bool is_named(int fd, const char *path) {
    struct stat ours, named;
    return fstat(fd, &ours) == 0 && lstat(path, &named) == 0 && ours.st_ino == named.st_ino &&
           ours.st_dev == named.st_dev;
}

static enum jf_code taken(const char *path, pid_t pid, struct jf_error *err) {
    char holder[JF_HOLDER_SIZE];
    if (pid == getpid())
        return jf_fail_errno(err, EBUSY, "taken by this very process");
    if (!jf_holder_describe(pid, holder))
        snprintf(holder, sizeof holder, "pid %d", (int)pid);
    return jf_fail_errno(err, EBUSY, "taken by %s, says %s", holder, path);
}

static enum jf_code later(void) {
    poll(NULL, 0, PAUSE_MS);
    return JF_OK;
}

// Removes the file of a process that has ended. Two that find it at the same time
// must not remove each other's new one: who removes has it locked, and looks again
// whether it still has its name. JF_OK also when it was gone, or may be soon.
static enum jf_code remove_stale(const char *path, struct jf_error *err) {
    int fd = open_lock(path);
    if (fd < 0)
        return errno == ENOENT ? JF_OK : jf_fail_errno(err, errno, "lock file %s", path);
    enum jf_code code = JF_OK;
    pid_t pid;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        code = errno == EWOULDBLOCK ? later() : jf_fail_errno(err, errno, "lock file %s", path);
    else if (is_named(fd, path) && (pid = find_holder(fd)) != 0)
        code = taken(path, pid, err);
    else if (is_being_written(fd))
        code = later();
    else if (is_named(fd, path) && unlink(path) != 0 && errno != ENOENT)
        code = jf_fail_errno(err, errno, "lock file %s of a process that has ended", path);
    jf_fd_close(&fd);
    return code;
}

// A file with our pid under a name of its own; -1 with errno.
static int write_own(const char *dir, char *path, size_t size) {
    snprintf(path, size, "%s/LTMP..%d.XXXXXX", dir, (int)getpid());
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -1;
    char content[CONTENT_SIZE];
    int len = snprintf(content, sizeof content, "%10d\n", (int)getpid());
    // Everybody may see who has the port.
    if (fchmod(fd, 0644) == 0 && write(fd, content, (size_t)len) == len)
        return fd;
    int why = errno;
    unlink(path);
    jf_fd_close(&fd);
    errno = why;
    return -1;
}

// link(2) fails where the name exists, and shows the file only with its content.
static enum jf_code link_own(const char *own, struct jf_uucp_lock *lock, struct jf_error *err) {
    for (int i = 0; i < TRIES; i++) {
        if (link(own, lock->path) == 0)
            return JF_OK;
        if (errno != EEXIST)
            return jf_fail_errno(err, errno, "lock file %s", lock->path);
        enum jf_code code = remove_stale(lock->path, err);
        if (code != JF_OK)
            return code;
    }
    return jf_fail(err, JF_IO, "lock file %s: other programs make and remove it all the time",
                   lock->path);
}

// Where the host is not made for lock files, or where a stale one is not ours to
// remove (in a sticky directory it is its owner's).
static bool is_without_locks(int sys_errno) {
    return sys_errno == ENOENT || sys_errno == EACCES || sys_errno == EROFS || sys_errno == EPERM;
}

enum jf_code jf_uucp_lock_take(const char *dir, const char *device, struct jf_uucp_lock *ret_lock,
                               struct jf_error *err) {
    char own[sizeof ret_lock->path];
    *ret_lock = (struct jf_uucp_lock){0};
    struct jf_uucp_lock lock;
    if (!name_lock(dir, device, lock.path, sizeof lock.path))
        return jf_fail(err, JF_LIMIT, "the name %s is too long for a lock file", device);
    int fd = write_own(dir, own, sizeof own);
    if (fd < 0)
        return is_without_locks(errno) ? JF_OK : jf_fail_errno(err, errno, "lock file %s", own);
    struct jf_error failure;
    enum jf_code code = link_own(own, &lock, &failure);
    unlink(own);
    jf_fd_close(&fd);
    if (code == JF_OK)
        *ret_lock = lock;
    else if (is_without_locks(failure.sys_errno))
        code = JF_OK;
    else if (err)
        *err = failure;
    return code;
}

void jf_uucp_lock_release(struct jf_uucp_lock *lock) {
    int fd = lock->path[0] ? open_lock(lock->path) : -1;
    // Somebody who thought us dead may have put a file of his own there.
    if (fd >= 0 && read_pid(fd) == getpid())
        unlink(lock->path);
    jf_fd_close(&fd);
    *lock = (struct jf_uucp_lock){0};
}
