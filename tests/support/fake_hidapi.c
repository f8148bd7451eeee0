// SPDX-License-Identifier: Apache-2.0
//
// A FAKE of libhidapi-hidraw.so.0 and libhidapi-libusb.so.0 for tests: it has hidapi's
// functions and plays YKUSH hubs, USBRelay and Noyito cards. In the folder $FAKE_HID, "devices" has
// a line for each: path, vendor, product (hexadecimal), serial number, name. What is sent goes to
// "log", which ports are on to "ports" (a number whose bit 0 is port 1). With "stuck" they stay.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <hidapi/hidapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

struct hid_device_ {
    unsigned vendor, product;
    char serial[16];
    unsigned char answer[64];
    size_t answer_len;
};

static FILE *file_of(const char *name, const char *mode) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", getenv("FAKE_HID"), name);
    return fopen(path, mode);
}

static unsigned ports(void) {
    unsigned bits = 0;
    FILE *file = file_of("ports", "r");
    if (file) {
        if (fscanf(file, "%u", &bits) != 1)
            bits = 0;
        fclose(file);
    }
    return bits;
}

static void set_ports(unsigned mask, int on) {
    FILE *stuck = file_of("stuck", "r");
    if (stuck) {
        fclose(stuck);
        return;
    }
    unsigned bits = on ? ports() | mask : ports() & ~mask;
    FILE *file = file_of("ports", "w");
    fprintf(file, "%u\n", bits);
    fclose(file);
}

// The kernel has no hidraw node for some; the flavour is the library's own name.
static int is_hidden(unsigned vendor, unsigned product) {
    Dl_info self = {0};
    dladdr((void *)&hid_init, &self);
    return vendor == 0x04d8 && (product == 0xf2f7 || product == 0x0042) &&
           !strstr(self.dli_fname, "libusb");
}

static void note(const char *what, const unsigned char *bytes, size_t len) {
    FILE *file = file_of("log", "a");
    fprintf(file, "%s", what);
    for (size_t i = 0; i < len; i++)
        fprintf(file, " %02x", bytes[i]);
    fprintf(file, "\n");
    fclose(file);
}

int hid_init(void) {
    return 0;
}

struct hid_device_info *hid_enumerate(unsigned short vendor, unsigned short product) {
    struct hid_device_info *first = NULL;
    char path[256], serial[32], name[32];
    unsigned one_vendor, one_product;
    FILE *file = file_of("devices", "r");
    while (file && fscanf(file, "%255s %x %x %31s %31s", path, &one_vendor, &one_product, serial,
                          name) == 5) {
        if ((vendor && one_vendor != vendor) || (product && one_product != product) ||
            is_hidden(one_vendor, one_product))
            continue;
        struct hid_device_info *info = calloc(1, sizeof *info);
        wchar_t *wide = calloc(32, sizeof *wide);
        wchar_t *wide_name = calloc(32, sizeof *wide_name);
        mbstowcs(wide, strcmp(serial, "-") == 0 ? "" : serial, 31);
        mbstowcs(wide_name, name, 31);
        info->path = strdup(path);
        info->serial_number = wide;
        info->product_string = wide_name;
        info->vendor_id = (unsigned short)one_vendor;
        info->product_id = (unsigned short)one_product;
        info->next = first;
        first = info;
    }
    if (file)
        fclose(file);
    return first;
}

void hid_free_enumeration(struct hid_device_info *info) {
    while (info) {
        struct hid_device_info *next = info->next;
        free(info->path);
        free(info->serial_number);
        free(info->product_string);
        free(info);
        info = next;
    }
}

hid_device *hid_open_path(const char *wanted) {
    char path[256], serial[32], name[32];
    unsigned vendor, product;
    hid_device *device = NULL;
    FILE *file = file_of("devices", "r");
    while (file &&
           fscanf(file, "%255s %x %x %31s %31s", path, &vendor, &product, serial, name) == 5) {
        if (strcmp(path, wanted) != 0 || access(path, R_OK | W_OK) != 0)
            continue;
        device = calloc(1, sizeof *device);
        device->vendor = vendor;
        device->product = product;
        // The node's last letters are the number that only the card itself tells.
        snprintf(device->serial, sizeof device->serial, "%.5s", path + strlen(path) - 5);
    }
    if (file)
        fclose(file);
    return device;
}

static void ykush(hid_device *device, unsigned char command) {
    unsigned port = command & 0x0f;
    unsigned mask = port == 0x0a ? 7U : 1U << (port - 1);
    device->answer[0] = port == 0x0a || (port >= 1 && port <= 3) ? 1 : 0;
    device->answer[1] = command;
    device->answer_len = sizeof device->answer;
    if ((command & 0xf0) == 0x20)
        device->answer[1] = (unsigned char)((ports() & mask ? 0x10U : 0) | port);
    else
        set_ports(mask, command & 0x10);
}

// Older cards say nothing: those whose relays are in "mute".
static void noyito_answer(hid_device *device) {
    FILE *mute = file_of("mute", "r");
    if (mute) {
        fclose(mute);
        return;
    }
    int len = 0;
    for (unsigned channel = 1; channel <= 4; channel++)
        len += snprintf((char *)device->answer + len, sizeof device->answer - (size_t)len,
                        "CH%u:%s\n", channel, ports() & (1U << (channel - 1)) ? "ON" : "OFF");
    device->answer_len = (size_t)len;
}

int hid_write(hid_device *device, const unsigned char *bytes, size_t len) {
    note("write", bytes, len < 6 ? len : 6);
    if (device->vendor == 0x04d8)
        ykush(device, bytes[1]);
    else if (bytes[1] == 0xa0 && bytes[2] == 0x0f)
        noyito_answer(device);
    else if (bytes[1] == 0xa0 && bytes[4] == ((bytes[1] + bytes[2] + bytes[3]) & 0xff))
        set_ports(1U << (bytes[2] - 1), bytes[3]);
    return (int)len;
}

int hid_read_timeout(hid_device *device, unsigned char *bytes, size_t len, int timeout_ms) {
    size_t count = device->answer_len < len ? device->answer_len : len;
    if (!count)
        usleep((unsigned)timeout_ms * 1000U);
    memcpy(bytes, device->answer, count);
    device->answer_len = 0;
    return (int)count;
}

int hid_send_feature_report(hid_device *device, const unsigned char *bytes, size_t len) {
    (void)device;
    note("feature", bytes, len);
    unsigned mask = bytes[1] == 0xfe || bytes[1] == 0xfc ? 0xffU : 1U << (bytes[2] - 1);
    set_ports(mask, bytes[1] == 0xff || bytes[1] == 0xfe);
    return (int)len;
}

int hid_get_feature_report(hid_device *device, unsigned char *bytes, size_t len) {
    memset(bytes, 0, len);
    memcpy(bytes, device->serial, 5);
    bytes[7] = (unsigned char)ports();
    return (int)len - 1;
}

const wchar_t *hid_error(hid_device *device) {
    (void)device;
    return L"fake failure";
}

void hid_close(hid_device *device) {
    free(device);
}
