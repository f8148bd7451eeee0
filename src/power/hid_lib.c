// SPDX-License-Identifier: Apache-2.0
#include "power/hid_lib.h"

#include "sys/library.h"

static const struct jf_symbol symbols[] = {
#define JF_HID_SYMBOL(name) {"hid_" #name, offsetof(struct jf_hid_lib, name)},
    JF_HID_FUNCTIONS(JF_HID_SYMBOL)
#undef JF_HID_SYMBOL
};

static const struct jf_library libraries[] = {
    [JF_HID_HIDRAW] =
        {
            .file = "libhidapi-hidraw.so.0",
            .need = "talking to HID devices",
            .remedy = "apt install libhidapi-hidraw0",
            .symbols = symbols,
            .count = sizeof symbols / sizeof *symbols,
        },
    [JF_HID_LIBUSB] =
        {
            .file = "libhidapi-libusb.so.0",
            .need = "talking to HID devices that the kernel leaves alone",
            .remedy = "apt install libhidapi-libusb0",
            .symbols = symbols,
            .count = sizeof symbols / sizeof *symbols,
        },
};

enum jf_code jf_hid_load(struct jf_hid_lib *hid, enum jf_hid_way way, struct jf_error *err) {
    const struct jf_library *library = &libraries[way];
    enum jf_code code = jf_library_load(library, hid, &hid->library, err);
    if (code != JF_OK || hid->init() == 0)
        return code;
    jf_hid_unload(hid);
    return jf_fail(err, JF_IO, "%s cannot be used", library->file);
}

void jf_hid_unload(struct jf_hid_lib *hid) {
    jf_library_unload(&hid->library);
}
