// SPDX-License-Identifier: Apache-2.0
//
// hidapi, loaded when the first HID device is asked for: no other run pays for it.
#ifndef JF_POWER_HID_LIB_H
#define JF_POWER_HID_LIB_H

#include <hidapi/hidapi.h>

#include "base/error.h"
#include "power/hid.h"

// The functions that are used, by their names without "hid_".
#define JF_HID_FUNCTIONS(X)                                                                        \
    X(init)                                                                                        \
    X(enumerate)                                                                                   \
    X(free_enumeration)                                                                            \
    X(open_path)                                                                                   \
    X(write)                                                                                       \
    X(read_timeout)                                                                                \
    X(send_feature_report)                                                                         \
    X(get_feature_report)                                                                          \
    X(error)                                                                                       \
    X(close)

struct jf_hid_lib {
    void *library; // NULL: not loaded
#define JF_HID_MEMBER(name) __typeof__(hid_##name) *(name);
    JF_HID_FUNCTIONS(JF_HID_MEMBER)
#undef JF_HID_MEMBER
};

// JF_UNSUPPORTED, with words about what to install, when it is not there.
enum jf_code jf_hid_load(struct jf_hid_lib *hid, enum jf_hid_way way, struct jf_error *err);
void jf_hid_unload(struct jf_hid_lib *hid); // accepts one that was not loaded

#endif
