// SPDX-License-Identifier: Apache-2.0
#include "power/gpio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "power/gpio_lib.h"

#define CONSUMER "jflash"

// A line that was found. Release with drop().
struct found {
    struct jf_gpio_lib lib;
    struct gpiod_chip *chip;
    struct gpiod_line *line;
};

static void drop(struct found *found) {
    if (found->chip)
        found->lib.chip_close(found->chip); // releases its lines as well
    jf_gpio_unload(&found->lib);
}

static bool is_number(const char *text) {
    return *text && strspn(text, "0123456789") == strlen(text);
}

static enum jf_code find_line(const struct jf_gpio_line *wanted, struct found *found,
                              struct jf_error *err) {
    if (is_number(wanted->line)) {
        unsigned count = found->lib.chip_num_lines(found->chip);
        unsigned long offset = strtoul(wanted->line, NULL, 10);
        if (offset >= count)
            return jf_fail(err, JF_LIMIT, "%s has no line %s: it has %u", wanted->chip,
                           wanted->line, count);
        found->line = found->lib.chip_get_line(found->chip, (unsigned)offset);
    } else {
        errno = ENOENT;
        found->line = found->lib.chip_find_line(found->chip, wanted->line);
        if (!found->line && errno == ENOENT)
            return jf_fail(err, JF_IO, "%s has no line named %s", wanted->chip, wanted->line);
    }
    return found->line ? JF_OK : jf_fail_errno(err, errno, "%s", wanted->line);
}

static enum jf_code find(const struct jf_gpio_line *wanted, struct found *found,
                         struct jf_error *err) {
    *found = (struct found){0};
    enum jf_code code = jf_gpio_load(&found->lib, err);
    if (code != JF_OK)
        return code;
    found->chip = found->lib.chip_open_lookup(wanted->chip);
    code =
        found->chip ? find_line(wanted, found, err) : jf_fail_errno(err, errno, "%s", wanted->chip);
    if (code != JF_OK)
        drop(found);
    return code;
}

static int flags_of(const struct jf_gpio_line *line) {
    static const int drives[] = {
        [JF_GPIO_OPEN_DRAIN] = GPIOD_LINE_REQUEST_FLAG_OPEN_DRAIN,
        [JF_GPIO_OPEN_SOURCE] = GPIOD_LINE_REQUEST_FLAG_OPEN_SOURCE,
    };
    static const int biases[] = {
        [JF_GPIO_PULL_UP] = GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_UP,
        [JF_GPIO_PULL_DOWN] = GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_DOWN,
        [JF_GPIO_DISABLED] = GPIOD_LINE_REQUEST_FLAG_BIAS_DISABLE,
    };
    return drives[line->drive] | biases[line->bias];
}

static enum jf_code request(const struct jf_gpio_line *wanted, struct found *found,
                            const struct gpiod_line_request_config *config, int value,
                            struct jf_error *err) {
    if (found->lib.line_request(found->line, config, value) == 0)
        return JF_OK;
    int error = errno;
    const char *consumer = found->lib.line_consumer(found->line);
    if (error == EBUSY)
        return jf_fail_errno(err, error, "line %s of %s is in use by %s", wanted->line,
                             wanted->chip, consumer ? consumer : "an unnamed consumer");
    return jf_fail_errno(err, error, "line %s of %s", wanted->line, wanted->chip);
}

enum jf_code jf_gpio_set(const struct jf_gpio_line *line, bool active, struct jf_error *err) {
    struct found found;
    enum jf_code code = find(line, &found, err);
    if (code != JF_OK)
        return code;
    struct gpiod_line_request_config config = {
        .consumer = CONSUMER,
        .request_type = GPIOD_LINE_REQUEST_DIRECTION_OUTPUT,
        .flags = flags_of(line) | (line->active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0),
    };
    code = request(line, &found, &config, active, err);
    if (code == JF_OK)
        found.lib.line_release(found.line);
    drop(&found);
    return code;
}

enum jf_code jf_gpio_get(const struct jf_gpio_line *line, bool *ret_active, struct jf_error *err) {
    struct found found;
    enum jf_code code = find(line, &found, err);
    if (code != JF_OK)
        return code;
    // The kernel takes drive and bias only together with a direction.
    struct gpiod_line_request_config config = {
        .consumer = CONSUMER,
        .request_type = GPIOD_LINE_REQUEST_DIRECTION_AS_IS,
        .flags = line->active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0,
    };
    code = request(line, &found, &config, 0, err);
    if (code == JF_OK) {
        int value = found.lib.line_get_value(found.line);
        if (value < 0)
            code = jf_fail_errno(err, errno, "line %s of %s", line->line, line->chip);
        else
            *ret_active = value == 1;
        found.lib.line_release(found.line);
    }
    drop(&found);
    return code;
}
