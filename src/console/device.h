// SPDX-License-Identifier: Apache-2.0
//
// Which terminal a configured name means now: a USB adapter gets another ttyUSBn
// whenever it is plugged in again.
#ifndef JF_CONSOLE_DEVICE_H
#define JF_CONSOLE_DEVICE_H

#include <stdbool.h>

#include "base/error.h"

// Where the system's lists are; tests have their own.
struct jf_device_roots {
    const char *dev; // "/dev"
    const char *tty; // "/sys/class/tty"
};

// Whether it is a name that jf_device_find understands.
bool jf_device_is_name(const char *name);

// The path of the one terminal that `name` means, to be freed by the caller:
// - an absolute path; with *, ? or [ in it a pattern as of a shell
// - usb:SERIAL or usb:SERIAL:INTERFACE (a number from 0)
// - usb-id:VENDOR:PRODUCT in hexadecimal, or that with :INTERFACE
// - usb-path:PATH, as 1-2.3:1.0, or 1-2.3 for all interfaces of a device
// `roots` may be NULL for the system's. JF_IO when none fits or several do; the
// message lists what there is, or the several that fit.
enum jf_code jf_device_find(const char *name, const struct jf_device_roots *roots, char **ret_path,
                            struct jf_error *err);

#endif
