// SPDX-License-Identifier: Apache-2.0
#include "power/hid_lib.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

// The flavour that goes through the kernel's own driver: no other needs to be detached.
#define LIBRARY "libhidapi-hidraw.so.0"

struct entry {
    const char *name;
    size_t offset;
};

static const struct entry entries[] = {
#define JF_HID_ENTRY(name) {"hid_" #name, offsetof(struct jf_hid_lib, name)},
    JF_HID_FUNCTIONS(JF_HID_ENTRY)
#undef JF_HID_ENTRY
};

// The name of the first function that the library lacks, or NULL.
static const char *find_functions(struct jf_hid_lib *hid) {
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        void *function = dlsym(hid->library, entries[i].name);
        if (!function)
            return entries[i].name;
        // A data pointer is a function pointer here (POSIX, dlsym).
        memcpy((char *)hid + entries[i].offset, &function, sizeof function);
    }
    return NULL;
}

enum jf_code jf_hid_load(struct jf_hid_lib *hid, struct jf_error *err) {
    *hid = (struct jf_hid_lib){0};
    // Not unloaded before the process ends: libudev behind it may have left exit handlers.
    hid->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!hid->library)
        return jf_fail(err, JF_UNSUPPORTED,
                       "HID devices need %s, which is not installed: apt install "
                       "libhidapi-hidraw0",
                       LIBRARY);
    const char *missing = find_functions(hid);
    if (!missing && hid->init() == 0)
        return JF_OK;
    jf_hid_unload(hid);
    return missing ? jf_fail(err, JF_UNSUPPORTED, "%s has no %s", LIBRARY, missing)
                   : jf_fail(err, JF_IO, "%s cannot be used", LIBRARY);
}

void jf_hid_unload(struct jf_hid_lib *hid) {
    if (hid->library)
        dlclose(hid->library);
    hid->library = NULL;
}
