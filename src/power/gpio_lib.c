// SPDX-License-Identifier: Apache-2.0
#include "power/gpio_lib.h"

#include "sys/library.h"

static const struct jf_symbol symbols[] = {
#define JF_GPIO_SYMBOL(name) {"gpiod_" #name, offsetof(struct jf_gpio_lib, name)},
    JF_GPIO_FUNCTIONS(JF_GPIO_SYMBOL)
#undef JF_GPIO_SYMBOL
};

// Version 1.x of the library, whose functions 2.x (libgpiod.so.3) no longer has.
static const struct jf_library library = {
    .file = "libgpiod.so.2",
    .need = "switching GPIO lines",
    .remedy = "apt install libgpiod2",
    .symbols = symbols,
    .count = sizeof symbols / sizeof *symbols,
};

enum jf_code jf_gpio_load(struct jf_gpio_lib *gpio, struct jf_error *err) {
    return jf_library_load(&library, gpio, &gpio->library, err);
}

void jf_gpio_unload(struct jf_gpio_lib *gpio) {
    jf_library_unload(&gpio->library);
}
