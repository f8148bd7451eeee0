// SPDX-License-Identifier: Apache-2.0
#include "sys/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/wait.h"
#include "sys/account.h"
#include "sys/fd.h"

// flock(2) cannot be polled.
#define INTERVAL_S 0.05
#define MODE_ALL 0666

// Opens the file, or makes it. O_CREAT goes with O_EXCL only: in a sticky
// directory the kernel may refuse plain O_CREAT on another user's file
// (fs.protected_regular).
static int open_file(const char *path) {
    const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    int fd = open(path, O_RDWR | flags);
    if (fd < 0 && errno == EACCES)
        fd = open(path, O_RDONLY | flags); // enough to lock, not to sign
    if (fd >= 0 || errno != ENOENT)
        return fd;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | flags, MODE_ALL);
    if (fd >= 0)
        fchmod(fd, MODE_ALL); // whatever the umask
    return fd;
}

// Another user's hard link or device in a shared directory must not make us
// write into its target.
static enum jf_code check_file(int fd, const char *path, struct stat *ret_info,
                               struct jf_error *err) {
    if (fstat(fd, ret_info) != 0)
        return jf_fail_errno(err, errno, "lock %s: stat", path);
    if (!S_ISREG(ret_info->st_mode) || ret_info->st_nlink > 1)
        return jf_fail(err, JF_IO, "lock %s: not a plain file of its own", path);
    return JF_OK;
}

static void read_holder(int fd, char ret_holder[JF_LOCK_HOLDER_SIZE]) {
    ssize_t len = pread(fd, ret_holder, JF_LOCK_HOLDER_SIZE - 1, 0);
    ret_holder[len > 0 ? len : 0] = '\0';
    ret_holder[strcspn(ret_holder, "\n")] = '\0';
    // The file can be written by anybody; it goes to terminals and logs.
    for (char *next = ret_holder; *next; next++) {
        if ((unsigned char)*next < ' ' || *next == 0x7f)
            *next = '?';
    }
    if (ret_holder[0] == '\0')
        snprintf(ret_holder, JF_LOCK_HOLDER_SIZE, "an unknown process");
}

static void sign(struct jf_lock *lock, const char *owner) {
    char user[JF_USER_SIZE];
    char since[32];
    char text[JF_LOCK_HOLDER_SIZE];
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(since, sizeof since, "%Y-%m-%d %H:%M:%S", &local);
    jf_user_name(getuid(), user);
    if (owner)
        snprintf(text, sizeof text, "%s\n", owner);
    else
        snprintf(text, sizeof text, "pid %d, user %s, since %s\n", (int)getpid(), user, since);
    ssize_t ignored = pwrite(lock->fd, text, strlen(text), 0);
    (void)ignored; // a full disk costs the holder's name, not the lock
    lock->signed_by_us = ftruncate(lock->fd, (off_t)strlen(text)) == 0;
}

// JF_OK with the lock, JF_TIMEOUT when it is taken, JF_CLOSED when the file was
// removed meanwhile, so that another file has its name now.
static enum jf_code try_lock(int fd, const char *path, bool exclusive, struct jf_error *err) {
    struct stat ours, named;
    enum jf_code code = check_file(fd, path, &ours, err);
    if (code != JF_OK)
        return code;
    if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? JF_TIMEOUT : jf_fail_errno(err, errno, "lock %s", path);
    if (lstat(path, &named) != 0 || named.st_ino != ours.st_ino || named.st_dev != ours.st_dev)
        return JF_CLOSED;
    return JF_OK;
}

// One try; the codes of try_lock. The holder's text is filled when it is taken.
static enum jf_code try_path(const char *path, bool exclusive, struct jf_lock *ret_lock,
                             char ret_holder[JF_LOCK_HOLDER_SIZE], struct jf_error *err) {
    int fd = open_file(path);
    if (fd < 0 && errno == EEXIST) // somebody made it at the same time
        return JF_CLOSED;
    if (fd < 0)
        return jf_fail_errno(err, errno, "lock %s: open", path);
    enum jf_code code = try_lock(fd, path, exclusive, err);
    if (code == JF_OK) {
        *ret_lock = (struct jf_lock){.fd = fd};
        return JF_OK;
    }
    if (code == JF_TIMEOUT)
        read_holder(fd, ret_holder);
    jf_fd_close(&fd);
    return code;
}

enum jf_code jf_lock_take(const char *path, bool exclusive, const char *owner, jf_deadline deadline,
                          const struct jf_cancel *cancel, struct jf_lock *ret_lock,
                          char ret_holder[JF_LOCK_HOLDER_SIZE], struct jf_error *err) {
    for (;;) {
        ret_holder[0] = '\0';
        enum jf_code code = try_path(path, exclusive, ret_lock, ret_holder, err);
        if (code == JF_OK && exclusive)
            sign(ret_lock, owner);
        if (code != JF_TIMEOUT && code != JF_CLOSED)
            return code;
        if (code == JF_TIMEOUT && jf_deadline_left_ns(deadline) == 0)
            return jf_fail(err, code, "lock %s: held by %s", path, ret_holder);
        jf_deadline next = jf_deadline_min(deadline, jf_deadline_in(INTERVAL_S));
        if (jf_sleep_until(next, cancel, err) == JF_OK)
            continue;
        ret_holder[0] = '\0';
        return jf_prefix(err, "lock %s", path);
    }
}

void jf_lock_close(struct jf_lock *lock) {
    if (lock->fd < 0)
        return;
    if (lock->signed_by_us && ftruncate(lock->fd, 0) != 0)
        lock->signed_by_us = false;
    jf_fd_close(&lock->fd);
}
