// SPDX-License-Identifier: Apache-2.0
//
// The fake kernel below the flasher's shell. The shell and its programs are
// real (busybox) and run on the host in a folder of their own; the system calls
// named in filter.c come here first, so that plain files pass for block devices
// with their kind, size, limits and faults, and so that power, clock and
// network are the board's and not the host's.
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SIM_DISKS 8
#define SIM_NOWHERE INT64_MAX // a fault's offset when there is no such fault

struct sim_disk {
    char name[32];  // as in /dev/NAME
    char path[256]; // the file that holds its content, as the host sees it
    dev_t file_dev; // which file that is
    ino_t file_ino;
    int64_t size_bytes;
    bool read_only;
    bool sync_fails;       // fsync gives EIO; what was buffered counts as written
    int64_t full_at;       // bytes from here on: ENOSPC
    int64_t bad_write_at;  // a write to this byte fails: EIO, at fsync when buffered
    int64_t bad_read_at;   // a read of this byte fails: EIO
    int64_t flip_at;       // this byte changes between being written and being read
    int64_t flips_left;    // how often it does
    int64_t stop_write_at; // a write to this byte waits until it is resumed
    int64_t stop_read_at;  // a read of this byte waits until it is resumed
    bool flip_due;
    bool sync_error_due;
};

struct sim_kernel {
    struct sim_disk disks[SIM_DISKS];
    size_t disk_count;
    int connect_errno;        // what connect(2) to the network answers; 0: it works
    char link_file[256];      // unless empty: no network while there is no such file
    struct sockaddr_in relay; // where connections go instead; port 0: where they should
};

enum sim_event_kind {
    SIM_NOTHING,
    SIM_GONE,     // no process is left that this listener serves
    SIM_POWEROFF, // asked for by the board's software
    SIM_REBOOT,
    SIM_CLOCK,   // set to `number` seconds since 1970
    SIM_CONNECT, // a connection to `address` was sent to the relay
    SIM_WRITE,   // a write reached stop_write_at of `disk`, and waits
    SIM_READ,    // a read reached stop_read_at of `disk`, and waits
    SIM_FLIPPED, // the byte flip_at of `disk` was changed
};

struct sim_event {
    enum sim_event_kind kind;
    uint64_t waiting; // non-zero: hand it to sim_kernel_resume
    int64_t number;
    const struct sim_disk *disk;
    struct sockaddr_in address;
};

// The disk of this name, or NULL.
struct sim_disk *sim_kernel_disk(struct sim_kernel *kernel, const char *name);

// Answers one system call that arrived on the listener (readable now).
void sim_kernel_serve(struct sim_kernel *kernel, int listener, struct sim_event *ret_event);

// Lets a process go on that waits since SIM_WRITE or SIM_READ.
void sim_kernel_resume(int listener, uint64_t waiting);

#endif
