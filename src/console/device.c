// SPDX-License-Identifier: Apache-2.0
#include "console/device.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define USB "usb:"
#define USB_PATH "usb-path:"
#define USB_ID "usb-id:"
// Of a serial number; USB's own limit is 126 characters.
#define SERIAL_SIZE 384

static const struct jf_device_roots system_roots = {"/dev", "/sys/class/tty"};

static bool begins(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool jf_device_is_name(const char *name) {
    return name[0] == '/' || begins(name, USB) || begins(name, USB_PATH) || begins(name, USB_ID);
}

// What is known of a terminal behind USB.
struct adapter {
    const char *tty;          // "ttyUSB0"
    char path[PATH_MAX];      // "1-2.3:1.0"
    char serial[SERIAL_SIZE]; // "" when it has none
    char vendor[5];           // in hexadecimal, lower case
    char product[5];
};

// Lists for messages: names with commas, cut where the message would be too long.
struct names {
    char text[400];
    unsigned count;
};

static void add_name(struct names *names, const char *name) {
    size_t len = strlen(names->text);
    const char *comma = names->count++ ? ", " : "";
    if (len + strlen(name) + 8 < sizeof names->text)
        snprintf(names->text + len, sizeof names->text - len, "%s%s", comma, name);
    else if (len < 4 || strcmp(names->text + len - 3, "...") != 0)
        snprintf(names->text + len, sizeof names->text - len, ", ...");
}

// A USB interface's folder is called BUS-PORT[.PORT...]:CONFIG.INTERFACE.
static bool is_interface(const char *name) {
    const char *dash = strchr(name, '-');
    const char *colon = strchr(name, ':');
    return dash && colon && dash < colon && strchr(colon, '.') && name[0] >= '0' && name[0] <= '9';
}

// The first line of an attribute of the USB device; "" when it has none.
static void read_attribute(const char *device, const char *name, char *value, int size) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", device, name);
    value[0] = '\0';
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (!fgets(value, size, file))
        value[0] = '\0';
    value[strcspn(value, "\n")] = '\0';
    fclose(file);
}

// Follows SYS/ttyUSB0/device up to the folder of its USB interface. False for a
// terminal that is not behind USB.
static bool read_adapter(const char *link, struct adapter *adapter) {
    char real[PATH_MAX];
    if (!realpath(link, real))
        return false;
    char *slash = strrchr(real, '/');
    while (slash && slash > real && !is_interface(slash + 1)) {
        *slash = '\0';
        slash = strrchr(real, '/');
    }
    if (!slash || slash == real)
        return false;
    snprintf(adapter->path, sizeof adapter->path, "%s", slash + 1);
    *slash = '\0';
    read_attribute(real, "serial", adapter->serial, sizeof adapter->serial);
    read_attribute(real, "idVendor", adapter->vendor, sizeof adapter->vendor);
    read_attribute(real, "idProduct", adapter->product, sizeof adapter->product);
    return true;
}

// Whether what is wanted is `value`, or that with the number of this interface.
static bool fits_value(const char *wanted, const char *value, const struct adapter *adapter) {
    size_t len = strlen(value);
    if (len == 0 || strncasecmp(wanted, value, len) != 0)
        return false;
    const char *interface = strrchr(adapter->path, '.') + 1;
    return wanted[len] == '\0' || (wanted[len] == ':' && strcmp(wanted + len + 1, interface) == 0);
}

static bool fits_serial(const char *wanted, const struct adapter *adapter) {
    return strncmp(wanted, adapter->serial, strlen(adapter->serial)) == 0 &&
           fits_value(wanted, adapter->serial, adapter);
}

static bool fits_id(const char *wanted, const struct adapter *adapter) {
    char id[sizeof adapter->vendor + sizeof adapter->product];
    snprintf(id, sizeof id, "%s:%s", adapter->vendor, adapter->product);
    return fits_value(wanted, id, adapter);
}

static bool fits_path(const char *wanted, const struct adapter *adapter) {
    size_t len = strlen(wanted);
    return strncmp(wanted, adapter->path, len) == 0 &&
           (adapter->path[len] == '\0' || adapter->path[len] == ':');
}

static bool fits(const char *name, const struct adapter *adapter) {
    if (begins(name, USB_PATH))
        return fits_path(name + strlen(USB_PATH), adapter);
    if (begins(name, USB_ID))
        return fits_id(name + strlen(USB_ID), adapter);
    return fits_serial(name + strlen(USB), adapter);
}

static enum jf_code judge(const struct names *fitting, const struct names *all, const char *what,
                          struct jf_error *err) {
    if (fitting->count == 1)
        return JF_OK;
    if (fitting->count > 1)
        return jf_fail(err, JF_IO, "%u terminals fit: %s", fitting->count, fitting->text);
    return jf_fail(err, JF_IO, "no terminal fits; %s: %s", what, all->count ? all->text : "none");
}

static enum jf_code find_usb(const char *name, const struct jf_device_roots *roots, char **ret_path,
                             struct jf_error *err) {
    char pattern[PATH_MAX];
    struct names fitting = {.count = 0};
    struct names all = {.count = 0};
    glob_t found;
    char *path = NULL;
    snprintf(pattern, sizeof pattern, "%s/*/device", roots->tty);
    int result = glob(pattern, 0, NULL, &found);
    for (size_t i = 0; result == 0 && i < found.gl_pathc; i++) {
        struct adapter adapter;
        char described[PATH_MAX + SERIAL_SIZE + 64];
        char *link = found.gl_pathv[i];
        if (!read_adapter(link, &adapter))
            continue;
        *strrchr(link, '/') = '\0';
        adapter.tty = strrchr(link, '/') + 1;
        snprintf(described, sizeof described, "%s (usb:%s, usb-path:%s, usb-id:%s:%s)", adapter.tty,
                 adapter.serial[0] ? adapter.serial : "-", adapter.path, adapter.vendor,
                 adapter.product);
        add_name(&all, described);
        if (!fits(name, &adapter))
            continue;
        add_name(&fitting, described);
        free(path);
        path = NULL;
        if (asprintf(&path, "%s/%s", roots->dev, adapter.tty) < 0)
            path = NULL;
    }
    if (result != GLOB_NOMATCH)
        globfree(&found);
    enum jf_code code = judge(&fitting, &all, "those behind USB", err);
    if (code == JF_OK && !path)
        code = jf_fail(err, JF_LIMIT, "not enough memory");
    if (code == JF_OK)
        *ret_path = path;
    else
        free(path);
    return code;
}

// The other files of the pattern's folder.
static void list_folder(const char *pattern, struct names *all) {
    char folder[PATH_MAX];
    glob_t found;
    int len = (int)(strrchr(pattern, '/') - pattern);
    snprintf(folder, sizeof folder, "%.*s/*", len, pattern);
    int result = glob(folder, 0, NULL, &found);
    for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
        add_name(all, strrchr(found.gl_pathv[i], '/') + 1);
    if (result != GLOB_NOMATCH)
        globfree(&found);
}

static enum jf_code find_pattern(const char *pattern, char **ret_path, struct jf_error *err) {
    struct names fitting = {.count = 0};
    struct names all = {.count = 0};
    glob_t found;
    int result = glob(pattern, 0, NULL, &found);
    for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
        add_name(&fitting, found.gl_pathv[i]);
    if (fitting.count == 0)
        list_folder(pattern, &all);
    enum jf_code code = judge(&fitting, &all, "in its folder", err);
    if (code == JF_OK) {
        *ret_path = strdup(found.gl_pathv[0]);
        code = *ret_path ? JF_OK : jf_fail(err, JF_LIMIT, "not enough memory");
    }
    if (result != GLOB_NOMATCH)
        globfree(&found);
    return code;
}

enum jf_code jf_device_find(const char *name, const struct jf_device_roots *roots, char **ret_path,
                            struct jf_error *err) {
    if (name[0] != '/')
        return find_usb(name, roots ? roots : &system_roots, ret_path, err);
    if (strpbrk(name, "*?["))
        return find_pattern(name, ret_path, err);
    *ret_path = strdup(name);
    return *ret_path ? JF_OK : jf_fail(err, JF_LIMIT, "not enough memory");
}
