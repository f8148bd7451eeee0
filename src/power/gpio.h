// SPDX-License-Identifier: Apache-2.0
//
// A line of a GPIO controller, requested for one action and released behind it.
#ifndef JF_POWER_GPIO_H
#define JF_POWER_GPIO_H

#include <stdbool.h>

#include "base/error.h"

enum jf_gpio_drive { JF_GPIO_PUSH_PULL, JF_GPIO_OPEN_DRAIN, JF_GPIO_OPEN_SOURCE };
enum jf_gpio_bias { JF_GPIO_AS_IS, JF_GPIO_PULL_UP, JF_GPIO_PULL_DOWN, JF_GPIO_DISABLED };

struct jf_gpio_line {
    const char *chip; // path, name, label or number
    const char *line; // offset or name
    bool active_low;
    enum jf_gpio_drive drive; // drive and bias count for setting alone
    enum jf_gpio_bias bias;
};

// Makes the line an output with that value (true: active). Most controllers keep it after
// the release. JF_IO with EACCES: no permission; with EBUSY: another consumer, who is named,
// has the line.
enum jf_code jf_gpio_set(const struct jf_gpio_line *line, bool active, struct jf_error *err);

// Reads the line without changing its direction. Failures are those of jf_gpio_set.
enum jf_code jf_gpio_get(const struct jf_gpio_line *line, bool *ret_active, struct jf_error *err);

#endif
