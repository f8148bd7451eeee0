// SPDX-License-Identifier: Apache-2.0
#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "the sim's host must be x86-64 or arm64"
#endif

#define NOTIFY SECCOMP_RET_USER_NOTIF
#define ERRNO(number) (SECCOMP_RET_ERRNO | (number))
#define ANY (-1)

// One system call, perhaps only with one value of one argument.
struct rule {
    int number;
    int argument; // index, or ANY
    uint32_t value;
    uint32_t action;
};

static const struct rule rules[] = {
// The block devices: their names, kind, size and limits.
#ifdef SYS_open
    {SYS_open, ANY, 0, NOTIFY},
    {SYS_stat, ANY, 0, NOTIFY},
    {SYS_lstat, ANY, 0, NOTIFY},
    {SYS_creat, ANY, 0, ERRNO(ENOSYS)},
#endif
    {SYS_openat, ANY, 0, NOTIFY},
    {SYS_newfstatat, ANY, 0, NOTIFY},
    {SYS_fstat, ANY, 0, NOTIFY},
    // glibc falls back to newfstatat.
    {SYS_statx, ANY, 0, ERRNO(ENOSYS)},
    {SYS_ftruncate, ANY, 0, NOTIFY},
    {SYS_write, ANY, 0, NOTIFY},
    {SYS_pwrite64, ANY, 0, NOTIFY},
    {SYS_fsync, ANY, 0, NOTIFY},
    {SYS_fdatasync, ANY, 0, NOTIFY},
    {SYS_fcntl, 1, F_GETFL, NOTIFY},
    {SYS_fcntl, 1, F_SETFL, NOTIFY},
    {SYS_ioctl, 1, (uint32_t)BLKGETSIZE64, NOTIFY},
    {SYS_ioctl, 1, BLKGETSIZE, NOTIFY},
    {SYS_ioctl, 1, BLKROGET, NOTIFY},
    {SYS_ioctl, 1, BLKSSZGET, NOTIFY},
    {SYS_ioctl, 1, BLKPBSZGET, NOTIFY},
    {SYS_ioctl, 1, (uint32_t)BLKBSZGET, NOTIFY},
    {SYS_ioctl, 1, BLKFLSBUF, NOTIFY},
    {SYS_ioctl, 1, BLKRRPART, NOTIFY},
    {SYS_ioctl, 1, BLKDISCARD, NOTIFY},
    {SYS_ioctl, 1, BLKZEROOUT, NOTIFY},
    // Programs fall back to read and write, which are watched.
    {SYS_sendfile, ANY, 0, ERRNO(EINVAL)},
    {SYS_copy_file_range, ANY, 0, ERRNO(ENOSYS)},
    {SYS_splice, ANY, 0, ERRNO(EINVAL)},
    {SYS_writev, ANY, 0, NOTIFY},
    // Whose power, clock, log and disks these are: not the host's.
    {SYS_connect, ANY, 0, NOTIFY},
    {SYS_reboot, ANY, 0, NOTIFY},
    {SYS_kill, 0, 1, NOTIFY},
    {SYS_kill, 0, (uint32_t)-1, ERRNO(EPERM)},
    {SYS_clock_settime, ANY, 0, NOTIFY},
    {SYS_settimeofday, ANY, 0, ERRNO(0)},
    {SYS_syslog, ANY, 0, ERRNO(0)},
    {SYS_sync, ANY, 0, ERRNO(0)},
    {SYS_syncfs, ANY, 0, ERRNO(0)},
    {SYS_mount, ANY, 0, ERRNO(0)},
    {SYS_umount2, ANY, 0, ERRNO(0)},
};

static const struct rule read_rules[] = {
    {SYS_read, ANY, 0, NOTIFY},
    {SYS_pread64, ANY, 0, NOTIFY},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define INSTRUCTIONS_PER_RULE 5

struct program {
    struct sock_filter code[INSTRUCTIONS_PER_RULE * (COUNT(rules) + COUNT(read_rules)) + 8];
    unsigned short len;
};

static void emit(struct program *program, unsigned short code, uint32_t k, unsigned char yes,
                 unsigned char no) {
    program->code[program->len++] = (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = k};
}

static void load(struct program *program, size_t offset) {
    emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

// The number of the call is loaded before and after.
static void emit_rule(struct program *program, const struct rule *rule) {
    if (rule->argument == ANY) {
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->number, 0, 1);
        emit(program, BPF_RET | BPF_K, rule->action, 0, 0);
        return;
    }
    size_t argument = offsetof(struct seccomp_data, args) + 8 * (size_t)rule->argument;
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->number, 0, 4);
    load(program, argument); // the low half: both machines are little-endian
    emit(program, BPF_JMP | BPF_JEQ | BPF_K, rule->value, 0, 1);
    emit(program, BPF_RET | BPF_K, rule->action, 0, 0);
    load(program, offsetof(struct seccomp_data, nr));
}

int sim_filter_install(bool watch_reads) {
    struct program program = {.len = 0};
    load(&program, offsetof(struct seccomp_data, arch));
    emit(&program, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
    emit(&program, BPF_RET | BPF_K, ERRNO(ENOSYS), 0, 0);
    load(&program, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < COUNT(rules); i++)
        emit_rule(&program, &rules[i]);
    for (size_t i = 0; watch_reads && i < COUNT(read_rules); i++)
        emit_rule(&program, &read_rules[i]);
    emit(&program, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);

    struct sock_fprog code = {.len = program.len, .filter = program.code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        &code);
}
