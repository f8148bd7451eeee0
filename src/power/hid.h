// SPDX-License-Identifier: Apache-2.0
//
// USB devices of the HID class that are switches: relay cards and hubs.
#ifndef JF_POWER_HID_H
#define JF_POWER_HID_H

#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

// Through the kernel's own driver, or past it: some devices it leaves to programs.
enum jf_hid_way { JF_HID_HIDRAW, JF_HID_LIBUSB };

struct jf_hid_info {
    char *path; // /dev/hidrawN, or where it is plugged in: 1-2.3:1.0
    char *serial;
    char *product;
    uint16_t vendor_id;
    uint16_t product_id;
};

// All devices of one vendor and product (0: any). The caller frees the list with
// jf_hid_list_free, also after a failure.
enum jf_code jf_hid_list(enum jf_hid_way way, uint16_t vendor_id, uint16_t product_id,
                         struct jf_hid_info **ret_items, size_t *ret_count, struct jf_error *err);
void jf_hid_list_free(struct jf_hid_info *items, size_t count);

struct jf_hid;

// Opens a device by its path. JF_IO when it may not be opened: errno says why. Close
// with jf_hid_close.
enum jf_code jf_hid_open(const char *path, struct jf_hid **ret_hid, struct jf_error *err);
void jf_hid_close(struct jf_hid *hid); // accepts NULL

// Reports begin with their number, 0 where the device has but one kind.
enum jf_code jf_hid_write(struct jf_hid *hid, const void *report, size_t len, struct jf_error *err);
enum jf_code jf_hid_send_feature(struct jf_hid *hid, const void *report, size_t len,
                                 struct jf_error *err);

// `report[0]` is the report's number; up to `size` bytes come.
enum jf_code jf_hid_get_feature(struct jf_hid *hid, unsigned char *report, size_t size,
                                size_t *ret_len, struct jf_error *err);

// Waits for an input report.
enum jf_code jf_hid_read(struct jf_hid *hid, unsigned char *report, size_t size,
                         jf_deadline deadline, const struct jf_cancel *cancel, size_t *ret_len,
                         struct jf_error *err);

#endif
