// SPDX-License-Identifier: Apache-2.0
//
// libgpiod 1.x, loaded when the first GPIO line is asked for: no other run pays for it.
#ifndef JF_POWER_GPIO_LIB_H
#define JF_POWER_GPIO_LIB_H

#include <gpiod.h>

#include "base/error.h"

// The functions that are used, by their names without "gpiod_".
#define JF_GPIO_FUNCTIONS(X)                                                                       \
    X(chip_open_lookup)                                                                            \
    X(chip_close)                                                                                  \
    X(chip_num_lines)                                                                              \
    X(chip_get_line)                                                                               \
    X(chip_find_line)                                                                              \
    X(line_consumer)                                                                               \
    X(line_request)                                                                                \
    X(line_get_value)                                                                              \
    X(line_release)

struct jf_gpio_lib {
    void *library; // NULL: not loaded
#define JF_GPIO_MEMBER(name) __typeof__(gpiod_##name) *(name);
    JF_GPIO_FUNCTIONS(JF_GPIO_MEMBER)
#undef JF_GPIO_MEMBER
};

// JF_UNSUPPORTED, with words about what to install, when it is not there.
enum jf_code jf_gpio_load(struct jf_gpio_lib *gpio, struct jf_error *err);
void jf_gpio_unload(struct jf_gpio_lib *gpio); // accepts one that was not loaded

#endif
