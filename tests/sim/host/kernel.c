// SPDX-License-Identifier: Apache-2.0
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/reboot.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "target.h"

#define SECTOR 512
#define MAJOR_VIRTBLK 254
#define CHUNK 65536
#define IOV_LIMIT 64

// A regular file has no use for O_NONBLOCK: it remembers O_DIRECT, which the
// file system below may not offer and whose rules are checked here.
#define DIRECT_MARK O_NONBLOCK

// Answers other than a plain result.
enum { PASS = INT32_MIN, WAIT, ANSWERED };

struct call {
    struct sim_kernel *kernel;
    int listener;
    const struct seccomp_notif *in;
    struct sim_event *event;
};

static uint64_t arg(const struct call *call, int index) {
    return call->in->data.args[index];
}

static pid_t caller(const struct call *call) {
    return (pid_t)call->in->pid;
}

// ---- answers ----

static void respond(int listener, uint64_t id, int64_t value) {
    struct seccomp_notif_resp out = {.id = id};
    if (value == PASS)
        out.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else if (value < 0)
        out.error = (int)value;
    else
        out.val = value;
    // Fails when the process was killed meanwhile: nobody waits then.
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &out);
}

// Hands our descriptor to the process as the result of its call.
static int64_t answer_fd(const struct call *call, int fd, bool close_on_exec) {
    struct seccomp_notif_addfd add = {
        .id = call->in->id,
        .flags = SECCOMP_ADDFD_FLAG_SEND,
        .srcfd = (uint32_t)fd,
        .newfd_flags = close_on_exec ? O_CLOEXEC : 0,
    };
    int result = ioctl(call->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    int saved = errno;
    close(fd);
    return result < 0 ? -saved : ANSWERED;
}

static int64_t answer_bytes(const struct call *call, uint64_t address, const void *bytes,
                            size_t len) {
    return sim_target_write(caller(call), address, bytes, len) ? 0 : -EFAULT;
}

// ---- disks ----

struct sim_disk *sim_kernel_disk(struct sim_kernel *kernel, const char *name) {
    for (size_t i = 0; i < kernel->disk_count; i++) {
        if (strcmp(kernel->disks[i].name, name) == 0)
            return &kernel->disks[i];
    }
    return NULL;
}

static struct sim_disk *disk_of_path(const struct call *call, const char *path) {
    return strncmp(path, "/dev/", 5) == 0 ? sim_kernel_disk(call->kernel, path + 5) : NULL;
}

static struct sim_disk *disk_of_fd(const struct call *call, int fd) {
    struct stat status;
    if (!sim_target_fstat(caller(call), fd, &status))
        return NULL;
    for (size_t i = 0; i < call->kernel->disk_count; i++) {
        struct sim_disk *disk = &call->kernel->disks[i];
        if (disk->file_dev == status.st_dev && disk->file_ino == status.st_ino)
            return disk;
    }
    return NULL;
}

static bool covers(int64_t start, int64_t len, int64_t offset) {
    return offset >= start && offset - start < len;
}

// The damage that the verification must find: after the writer is done, before
// the reader looks.
static void flip_byte(const struct call *call, struct sim_disk *disk) {
    int fd = open(disk->path, O_RDWR | O_CLOEXEC);
    unsigned char byte = 0;
    if (fd >= 0 && pread(fd, &byte, 1, disk->flip_at) == 1) {
        byte ^= 1;
        if (pwrite(fd, &byte, 1, disk->flip_at) == 1)
            *call->event =
                (struct sim_event){.kind = SIM_FLIPPED, .disk = disk, .number = disk->flip_at};
    }
    if (fd >= 0)
        close(fd);
    disk->flip_due = false;
    disk->flips_left--;
}

static int64_t open_disk(const struct call *call, struct sim_disk *disk, int flags) {
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    if (writes && disk->read_only)
        return -EACCES;
    if (!writes && disk->flip_due)
        flip_byte(call, disk);
    int ours = (flags & O_ACCMODE) | O_CLOEXEC | (flags & O_DIRECT ? DIRECT_MARK : 0);
    int fd = open(disk->path, ours);
    if (fd < 0)
        return -errno;
    return answer_fd(call, fd, flags & O_CLOEXEC);
}

// ---- names outside the flasher's folder ----

// The real file behind names that the folder cannot hold; false: take it as it is.
static bool host_path(const struct call *call, const char *path, char *host, size_t size) {
    static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                          "/dev/urandom"};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        if (strcmp(path, devices[i]) == 0) {
            snprintf(host, size, "%s", path);
            return true;
        }
    }
    if (strncmp(path, "/proc/self/fd", 13) == 0) {
        snprintf(host, size, "/proc/%d/%s", (int)caller(call), path + 11);
        return true;
    }
    if (strncmp(path, "/proc/", 6) == 0 && path[6] >= '1' && path[6] <= '9') {
        snprintf(host, size, "%s", path);
        return true;
    }
    return false;
}

static int64_t on_open(const struct call *call, uint64_t path_address, int flags) {
    char path[512];
    char host[520];
    if (!sim_target_string(caller(call), path_address, path, sizeof path))
        return PASS;
    struct sim_disk *disk = disk_of_path(call, path);
    if (disk)
        return open_disk(call, disk, flags);
    if (!host_path(call, path, host, sizeof host))
        return PASS;
    int fd = open(host, (flags & ~O_CREAT) | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? -errno : answer_fd(call, fd, flags & O_CLOEXEC);
}

static void make_block_device(const struct call *call, const struct sim_disk *disk,
                              struct stat *status) {
    status->st_mode = S_IFBLK | 0660;
    status->st_rdev = makedev(MAJOR_VIRTBLK, (unsigned)(disk - call->kernel->disks) * 16);
    status->st_size = 0;
    status->st_blocks = 0;
}

static int64_t answer_disk_stat(const struct call *call, const struct sim_disk *disk,
                                uint64_t address) {
    struct stat status;
    if (stat(disk->path, &status) < 0)
        return -errno;
    make_block_device(call, disk, &status);
    return answer_bytes(call, address, &status, sizeof status);
}

static int64_t on_stat(const struct call *call, uint64_t path_address, uint64_t address) {
    char path[512];
    char host[520];
    struct stat status;
    if (!sim_target_string(caller(call), path_address, path, sizeof path))
        return PASS;
    struct sim_disk *disk = disk_of_path(call, path);
    if (disk)
        return answer_disk_stat(call, disk, address);
    if (!host_path(call, path, host, sizeof host))
        return PASS;
    if (stat(host, &status) < 0)
        return -errno;
    return answer_bytes(call, address, &status, sizeof status);
}

static int64_t on_fstat(const struct call *call, int fd, uint64_t address) {
    const struct sim_disk *disk = disk_of_fd(call, fd);
    return disk ? answer_disk_stat(call, disk, address) : PASS;
}

static int64_t on_fstatat(const struct call *call) {
    char first = 0;
    if (sim_target_read(caller(call), arg(call, 1), &first, 1) && first)
        return on_stat(call, arg(call, 1), arg(call, 2));
    return on_fstat(call, (int)arg(call, 0), arg(call, 2));
}

// ---- reading and writing ----

// One transfer as the process asked for it.
struct transfer {
    struct sim_disk *disk;
    uint64_t address;
    int64_t len;
    int64_t offset;  // where on the disk
    int fd;          // our descriptor of the same open file
    bool positioned; // at `offset` rather than where the file stands
    bool direct;
};

// Does what the kernel would have done, for `len` bytes of a write.
static int64_t copy_in(const struct call *call, const struct transfer *io, int64_t len) {
    char chunk[CHUNK];
    int64_t done = 0;
    while (done < len) {
        size_t part = len - done > CHUNK ? CHUNK : (size_t)(len - done);
        if (!sim_target_read(caller(call), io->address + (uint64_t)done, chunk, part))
            return -EFAULT;
        ssize_t put = pwrite(io->fd, chunk, part, io->offset + done);
        if (put < 0)
            return -errno;
        done += put;
    }
    if (!io->positioned && lseek(io->fd, io->offset + done, SEEK_SET) < 0)
        return -errno;
    return done;
}

// A bad sector: a direct write stops before it and then fails; a buffered one
// succeeds, keeps nothing there, and only fsync will tell.
static int64_t write_bad_sector(const struct call *call, const struct transfer *io) {
    static const char garbage[SECTOR] = {(char)0xff, (char)0xfe};
    int64_t sector = io->disk->bad_write_at / SECTOR * SECTOR;
    if (io->direct)
        return sector > io->offset ? copy_in(call, io, sector - io->offset) : -EIO;
    int64_t done = copy_in(call, io, io->len);
    if (done > 0 && pwrite(io->fd, garbage, sizeof garbage, sector) < 0)
        return -errno;
    io->disk->sync_error_due = true;
    return done;
}

static int64_t write_disk(const struct call *call, const struct transfer *io) {
    struct sim_disk *disk = io->disk;
    int64_t end = disk->full_at < disk->size_bytes ? disk->full_at : disk->size_bytes;
    if (io->direct && (io->offset | io->len) % SECTOR)
        return -EINVAL;
    if (covers(io->offset, io->len, disk->stop_write_at)) {
        *call->event = (struct sim_event){.kind = SIM_WRITE, .disk = disk, .number = io->offset};
        disk->stop_write_at = SIM_NOWHERE;
        return WAIT;
    }
    if (io->len > 0 && io->offset >= end)
        return -ENOSPC;
    if (covers(io->offset, io->len, disk->bad_write_at))
        return write_bad_sector(call, io);
    if (disk->flips_left > 0 && covers(io->offset, io->len, disk->flip_at))
        disk->flip_due = true;
    return io->len > end - io->offset ? copy_in(call, io, end - io->offset) : PASS;
}

static int64_t read_disk(const struct call *call, const struct transfer *io) {
    struct sim_disk *disk = io->disk;
    if (covers(io->offset, io->len, disk->stop_read_at)) {
        *call->event = (struct sim_event){.kind = SIM_READ, .disk = disk, .number = io->offset};
        disk->stop_read_at = SIM_NOWHERE;
        return WAIT;
    }
    return covers(io->offset, io->len, disk->bad_read_at) ? -EIO : PASS;
}

static int64_t on_transfer(const struct call *call, bool writes, bool positioned) {
    struct transfer io = {
        .disk = disk_of_fd(call, (int)arg(call, 0)),
        .address = arg(call, 1),
        .len = (int64_t)arg(call, 2),
        .positioned = positioned,
    };
    if (!io.disk)
        return PASS;
    io.fd = sim_target_fd(caller(call), (int)arg(call, 0));
    if (io.fd < 0)
        return -errno;
    io.offset = positioned ? (int64_t)arg(call, 3) : lseek(io.fd, 0, SEEK_CUR);
    io.direct = fcntl(io.fd, F_GETFL) & DIRECT_MARK;
    int64_t result = writes ? write_disk(call, &io) : read_disk(call, &io);
    close(io.fd);
    return result;
}

// writev: its first piece alone, as a short write; the caller goes on from there.
static int64_t on_writev(const struct call *call) {
    struct iovec pieces[IOV_LIMIT];
    uint64_t count = arg(call, 2);
    if (!disk_of_fd(call, (int)arg(call, 0)) || count > IOV_LIMIT)
        return PASS;
    if (!sim_target_read(caller(call), arg(call, 1), pieces, (size_t)count * sizeof *pieces))
        return -EFAULT;
    for (uint64_t i = 0; i < count; i++) {
        if (pieces[i].iov_len == 0)
            continue;
        struct seccomp_notif in = *call->in;
        in.data.args[1] = (uint64_t)(uintptr_t)pieces[i].iov_base;
        in.data.args[2] = pieces[i].iov_len;
        struct call single = *call;
        single.in = &in;
        return on_transfer(&single, true, false);
    }
    return 0;
}

static int64_t on_sync(const struct call *call) {
    struct sim_disk *disk = disk_of_fd(call, (int)arg(call, 0));
    // Nothing of a test's needs to reach the host's disk.
    bool fails = disk && (disk->sync_fails || disk->sync_error_due);
    if (disk)
        disk->sync_error_due = false; // Linux reports it once
    return fails ? -EIO : 0;
}

static int64_t on_flags(const struct call *call) {
    if (!disk_of_fd(call, (int)arg(call, 0)))
        return PASS;
    int fd = sim_target_fd(caller(call), (int)arg(call, 0));
    if (fd < 0)
        return -errno;
    int flags = fcntl(fd, F_GETFL) & ~DIRECT_MARK;
    int64_t result = flags | (fcntl(fd, F_GETFL) & DIRECT_MARK ? O_DIRECT : 0);
    if (arg(call, 1) == F_SETFL)
        result = fcntl(fd, F_SETFL, flags | (arg(call, 2) & O_DIRECT ? DIRECT_MARK : 0));
    close(fd);
    return result;
}

// ---- ioctl ----

static int64_t erase(const struct call *call, const struct sim_disk *disk) {
    uint64_t range[2];
    if (!sim_target_read(caller(call), arg(call, 2), range, sizeof range))
        return -EFAULT;
    if (disk->read_only)
        return -EPERM;
    if ((range[0] | range[1]) % SECTOR || range[0] + range[1] > (uint64_t)disk->size_bytes)
        return -EINVAL;
    int fd = open(disk->path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int failed =
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)range[0], (off_t)range[1]);
    int saved = errno;
    close(fd);
    return failed ? -saved : 0;
}

static int64_t on_ioctl(const struct call *call) {
    const struct sim_disk *disk = disk_of_fd(call, (int)arg(call, 0));
    if (!disk)
        return PASS;
    uint64_t size = (uint64_t)disk->size_bytes;
    unsigned long sectors = (unsigned long)(size / SECTOR);
    int number = 0;
    switch ((uint32_t)arg(call, 1)) {
    case (uint32_t)BLKGETSIZE64:
        return answer_bytes(call, arg(call, 2), &size, sizeof size);
    case BLKGETSIZE:
        return answer_bytes(call, arg(call, 2), &sectors, sizeof sectors);
    case BLKROGET:
        number = disk->read_only;
        return answer_bytes(call, arg(call, 2), &number, sizeof number);
    case BLKSSZGET:
    case BLKPBSZGET:
        number = SECTOR;
        return answer_bytes(call, arg(call, 2), &number, sizeof number);
    case (uint32_t)BLKBSZGET:
        number = 4096;
        return answer_bytes(call, arg(call, 2), &number, sizeof number);
    case BLKDISCARD:
    case BLKZEROOUT:
        return erase(call, disk);
    default: // BLKFLSBUF, BLKRRPART
        return 0;
    }
}

// ---- the rest of the machine ----

static int64_t on_connect(const struct call *call) {
    struct sockaddr_in address;
    const struct sim_kernel *kernel = call->kernel;
    if (arg(call, 2) < sizeof address ||
        !sim_target_read(caller(call), arg(call, 1), &address, sizeof address) ||
        address.sin_family != AF_INET)
        return PASS;
    if (kernel->connect_errno)
        return -kernel->connect_errno;
    if (kernel->link_file[0] && access(kernel->link_file, F_OK) < 0)
        return -ENETUNREACH;
    if (kernel->relay.sin_port == 0)
        return PASS;
    int fd = sim_target_fd(caller(call), (int)arg(call, 0));
    if (fd < 0)
        return -errno;
    *call->event = (struct sim_event){.kind = SIM_CONNECT, .address = address};
    int failed = connect(fd, (const struct sockaddr *)&kernel->relay, sizeof kernel->relay);
    int saved = errno;
    close(fd);
    return failed ? -saved : 0;
}

static int64_t on_reboot(const struct call *call) {
    switch ((uint32_t)arg(call, 2)) {
    case LINUX_REBOOT_CMD_POWER_OFF:
    case LINUX_REBOOT_CMD_HALT:
        call->event->kind = SIM_POWEROFF;
        return 0;
    case LINUX_REBOOT_CMD_RESTART:
        call->event->kind = SIM_REBOOT;
        return 0;
    default: // Ctrl-Alt-Del on or off
        return 0;
    }
}

// What busybox's init does on a signal: halt, poweroff and reboot are these.
static int64_t on_signal_to_init(const struct call *call) {
    int signal_number = (int)arg(call, 1);
    if (signal_number == SIGUSR1 || signal_number == SIGUSR2)
        call->event->kind = SIM_POWEROFF;
    else if (signal_number == SIGTERM)
        call->event->kind = SIM_REBOOT;
    return 0;
}

static int64_t on_clock(const struct call *call) {
    struct timespec now;
    if (!sim_target_read(caller(call), arg(call, 1), &now, sizeof now))
        return -EFAULT;
    *call->event = (struct sim_event){.kind = SIM_CLOCK, .number = now.tv_sec};
    return 0;
}

static int64_t dispatch(const struct call *call) {
    switch (call->in->data.nr) {
#ifdef SYS_open
    case SYS_open:
        return on_open(call, arg(call, 0), (int)arg(call, 1));
    case SYS_stat:
    case SYS_lstat:
        return on_stat(call, arg(call, 0), arg(call, 1));
#endif
    case SYS_openat:
        return on_open(call, arg(call, 1), (int)arg(call, 2));
    case SYS_newfstatat:
        return on_fstatat(call);
    case SYS_fstat:
        return on_fstat(call, (int)arg(call, 0), arg(call, 1));
    case SYS_ftruncate:
        return disk_of_fd(call, (int)arg(call, 0)) ? -EINVAL : PASS;
    case SYS_write:
        return on_transfer(call, true, false);
    case SYS_pwrite64:
        return on_transfer(call, true, true);
    case SYS_writev:
        return on_writev(call);
    case SYS_read:
        return on_transfer(call, false, false);
    case SYS_pread64:
        return on_transfer(call, false, true);
    case SYS_fsync:
    case SYS_fdatasync:
        return on_sync(call);
    case SYS_fcntl:
        return on_flags(call);
    case SYS_ioctl:
        return on_ioctl(call);
    case SYS_connect:
        return on_connect(call);
    case SYS_reboot:
        return on_reboot(call);
    case SYS_kill:
        return on_signal_to_init(call);
    case SYS_clock_settime:
        return on_clock(call);
    default:
        return PASS;
    }
}

void sim_kernel_serve(struct sim_kernel *kernel, int listener, struct sim_event *ret_event) {
    struct seccomp_notif in = {.id = 0};
    *ret_event = (struct sim_event){.kind = SIM_NOTHING};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &in) < 0) {
        // ENOENT: the caller was killed before it could be asked.
        if (errno != EINTR && errno != ENOENT)
            ret_event->kind = SIM_GONE;
        return;
    }
    struct call call = {.kernel = kernel, .listener = listener, .in = &in, .event = ret_event};
    int64_t answer = dispatch(&call);
    if (answer == WAIT)
        ret_event->waiting = in.id;
    else if (answer != ANSWERED)
        respond(listener, in.id, answer);
}

void sim_kernel_resume(int listener, uint64_t waiting) {
    respond(listener, waiting, PASS);
}
