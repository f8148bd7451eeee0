// SPDX-License-Identifier: Apache-2.0
#include "power/gpio_lib.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

// Version 1.x of the library, whose functions 2.x (libgpiod.so.3) no longer has.
#define LIBRARY "libgpiod.so.2"

struct entry {
    const char *name;
    size_t offset;
};

static const struct entry entries[] = {
#define JF_GPIO_ENTRY(name) {"gpiod_" #name, offsetof(struct jf_gpio_lib, name)},
    JF_GPIO_FUNCTIONS(JF_GPIO_ENTRY)
#undef JF_GPIO_ENTRY
};

// The name of the first function that the library lacks, or NULL.
static const char *find_functions(struct jf_gpio_lib *gpio) {
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        void *function = dlsym(gpio->library, entries[i].name);
        if (!function)
            return entries[i].name;
        // A data pointer is a function pointer here (POSIX, dlsym).
        memcpy((char *)gpio + entries[i].offset, &function, sizeof function);
    }
    return NULL;
}

enum jf_code jf_gpio_load(struct jf_gpio_lib *gpio, struct jf_error *err) {
    *gpio = (struct jf_gpio_lib){0};
    gpio->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!gpio->library)
        return jf_fail(err, JF_UNSUPPORTED,
                       "GPIO lines need %s, which is not installed: apt install libgpiod2",
                       LIBRARY);
    const char *missing = find_functions(gpio);
    if (!missing)
        return JF_OK;
    jf_gpio_unload(gpio);
    return jf_fail(err, JF_UNSUPPORTED, "%s has no %s", LIBRARY, missing);
}

void jf_gpio_unload(struct jf_gpio_lib *gpio) {
    if (gpio->library)
        dlclose(gpio->library);
    gpio->library = NULL;
}
