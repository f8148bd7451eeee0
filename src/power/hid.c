// SPDX-License-Identifier: Apache-2.0
#include "power/hid.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "power/hid_lib.h"

// How long hidapi may keep us from seeing a cancellation.
#define POLL_MS 50
#define USB_DEVICES "/sys/bus/usb/devices"

struct jf_hid {
    struct jf_hid_lib lib;
    hid_device *device;
    char *path;
};

// USB's strings are UTF-16; names and serial numbers of switches are ASCII, and what is
// not becomes a question mark. NULL: no memory.
static char *narrow(const wchar_t *wide) {
    size_t len = wide ? wcslen(wide) : 0;
    char *text = malloc(len + 1);
    if (!text)
        return NULL;
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(wide[i] >= ' ' && wide[i] < 0x7f ? wide[i] : L'?');
    text[len] = '\0';
    return text;
}

static bool take_info(struct jf_hid_info *item, const struct hid_device_info *found) {
    *item = (struct jf_hid_info){
        .path = strdup(found->path),
        .serial = narrow(found->serial_number),
        .product = narrow(found->product_string),
        .vendor_id = found->vendor_id,
        .product_id = found->product_id,
    };
    return item->path && item->serial && item->product;
}

static enum jf_code take_all(const struct hid_device_info *found, struct jf_hid_info **ret_items,
                             size_t *ret_count, struct jf_error *err) {
    size_t count = 0;
    for (const struct hid_device_info *one = found; one; one = one->next)
        count++;
    *ret_items = calloc(count ? count : 1, sizeof **ret_items);
    if (!*ret_items)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    *ret_count = count;
    for (size_t i = 0; found; found = found->next)
        if (!take_info(&(*ret_items)[i++], found))
            return jf_fail(err, JF_LIMIT, "not enough memory");
    return JF_OK;
}

enum jf_code jf_hid_list(enum jf_hid_way way, uint16_t vendor_id, uint16_t product_id,
                         struct jf_hid_info **ret_items, size_t *ret_count, struct jf_error *err) {
    struct jf_hid_lib lib;
    *ret_items = NULL;
    *ret_count = 0;
    enum jf_code code = jf_hid_load(&lib, way, err);
    if (code != JF_OK)
        return code;
    struct hid_device_info *found = lib.enumerate(vendor_id, product_id);
    code = take_all(found, ret_items, ret_count, err);
    lib.free_enumeration(found);
    jf_hid_unload(&lib);
    return code;
}

void jf_hid_list_free(struct jf_hid_info *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(items[i].path);
        free(items[i].serial);
        free(items[i].product);
    }
    free(items);
}

// hidapi's words for its last failure.
static enum jf_code failed(struct jf_hid *hid, const char *what, struct jf_error *err) {
    char *words = narrow(hid->lib.error(hid->device));
    enum jf_code code =
        jf_fail(err, JF_IO, "%s: %s: %s", hid->path, what, words ? words : "failed");
    free(words);
    return code;
}

static unsigned read_number(const char *path) {
    unsigned number = 0;
    FILE *file = fopen(path, "re");
    if (file) {
        if (fscanf(file, "%u", &number) != 1)
            number = 0;
        fclose(file);
    }
    return number;
}

// The node of the USB device at 1-2.3:1.0; false for a path of another kind.
static bool find_usb_node(const char *path, char node[static 32]) {
    int len = (int)strcspn(path, ":");
    char file[PATH_MAX];
    snprintf(file, sizeof file, USB_DEVICES "/%.*s/busnum", len, path);
    unsigned bus = read_number(file);
    snprintf(file, sizeof file, USB_DEVICES "/%.*s/devnum", len, path);
    unsigned device = read_number(file);
    snprintf(node, 32, "/dev/bus/usb/%03u/%03u", bus, device);
    return bus > 0 && device > 0;
}

// hidapi does not say why it could not open: the system does.
static enum jf_code check_node(const char *path, struct jf_error *err) {
    char usb_node[32];
    if (path[0] != '/') {
        if (!find_usb_node(path, usb_node))
            return JF_OK;
        path = usb_node;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return jf_fail_errno(err, errno, "%s", path);
    close(fd);
    return JF_OK;
}

enum jf_code jf_hid_open(const char *path, struct jf_hid **ret_hid, struct jf_error *err) {
    struct jf_hid *hid = calloc(1, sizeof *hid);
    char *copy = strdup(path);
    if (!hid || !copy) {
        free(hid);
        free(copy);
        return jf_fail(err, JF_LIMIT, "not enough memory");
    }
    hid->path = copy;
    enum jf_code code = check_node(path, err);
    if (code == JF_OK)
        code = jf_hid_load(&hid->lib, path[0] == '/' ? JF_HID_HIDRAW : JF_HID_LIBUSB, err);
    if (code == JF_OK) {
        hid->device = hid->lib.open_path(path);
        if (!hid->device)
            code = jf_fail(err, JF_IO, "%s: no HID device that can be opened", path);
    }
    if (code != JF_OK) {
        jf_hid_close(hid);
        return code;
    }
    *ret_hid = hid;
    return JF_OK;
}

void jf_hid_close(struct jf_hid *hid) {
    if (!hid)
        return;
    if (hid->device)
        hid->lib.close(hid->device);
    jf_hid_unload(&hid->lib);
    free(hid->path);
    free(hid);
}

enum jf_code jf_hid_write(struct jf_hid *hid, const void *report, size_t len,
                          struct jf_error *err) {
    return hid->lib.write(hid->device, report, len) < 0 ? failed(hid, "write", err) : JF_OK;
}

enum jf_code jf_hid_send_feature(struct jf_hid *hid, const void *report, size_t len,
                                 struct jf_error *err) {
    return hid->lib.send_feature_report(hid->device, report, len) < 0
               ? failed(hid, "set feature report", err)
               : JF_OK;
}

enum jf_code jf_hid_get_feature(struct jf_hid *hid, unsigned char *report, size_t size,
                                size_t *ret_len, struct jf_error *err) {
    int len = hid->lib.get_feature_report(hid->device, report, size);
    if (len < 0)
        return failed(hid, "get feature report", err);
    *ret_len = (size_t)len;
    return JF_OK;
}

enum jf_code jf_hid_read(struct jf_hid *hid, unsigned char *report, size_t size,
                         jf_deadline deadline, const struct jf_cancel *cancel, size_t *ret_len,
                         struct jf_error *err) {
    for (;;) {
        enum jf_code code = jf_cancel_check(cancel, err);
        if (code != JF_OK)
            return code;
        int len = hid->lib.read_timeout(hid->device, report, size, POLL_MS);
        if (len < 0)
            return failed(hid, "read", err);
        if (len > 0) {
            *ret_len = (size_t)len;
            return JF_OK;
        }
        if (jf_deadline_left_ns(deadline) == 0)
            return jf_fail(err, JF_TIMEOUT, "%s: no answer", hid->path);
    }
}
