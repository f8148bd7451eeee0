// SPDX-License-Identifier: Apache-2.0
//
// Lock files of serial ports as UUCP made them, which cu, minicom, microcom and pppd
// understand: LCK..ttyUSB0 with the holder's pid in ten columns and a line feed
// (FHS 3.0, section 5.9). Unlike flock they can be taken before the port is opened:
// opening alone raises DTR and RTS, which resets some boards.
#ifndef JF_SYS_UUCP_LOCK_H
#define JF_SYS_UUCP_LOCK_H

#include "base/error.h"

#define JF_UUCP_LOCK_DIR "/run/lock"

// A lock file of ours; none while `path` is empty.
struct jf_uucp_lock {
    char path[256];
};

// Takes the lock of the port `device` (/dev/ttyUSB0: its node, not another name of it)
// in the directory `dir`. The file of a process that has ended, or whose number
// another one has now, is replaced. JF_IO with errno EBUSY, which says who holds it,
// when it is taken, also by this very process. JF_OK with no lock where the directory
// is not there or not for us to write: other programs do without it there, too.
// Release with jf_uucp_lock_release, which accepts one that was not taken.
enum jf_code jf_uucp_lock_take(const char *dir, const char *device, struct jf_uucp_lock *ret_lock,
                               struct jf_error *err);

void jf_uucp_lock_release(struct jf_uucp_lock *lock);

#endif
