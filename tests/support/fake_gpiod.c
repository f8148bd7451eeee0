// SPDX-License-Identifier: Apache-2.0
//
// A FAKE of libgpiod.so.2 for tests: one controller of eight lines, "gpiochip0" with the
// label "bench". In the folder $FAKE_GPIO, "value" has the physical level of line 5, which
// is named RELAY; "consumer" who has that line, "errno" the number that opening fails with.
// Each request goes to "log": type, flags, level. With "stuck" the level stays.
#include <errno.h>
#include <gpiod.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES 8
#define RELAY 5

struct gpiod_line {
    unsigned offset;
    int flags;
    char consumer[32];
};

struct gpiod_chip {
    struct gpiod_line line;
};

// Reads a word of a file; false when there is none.
static bool word(const char *name, char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", getenv("FAKE_GPIO"), name);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool found = fscanf(file, "%31s", text) == 1;
    fclose(file);
    return found;
}

static void put(const char *name, const char *mode, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", getenv("FAKE_GPIO"), name);
    FILE *file = fopen(path, mode);
    fputs(text, file);
    fclose(file);
}

struct gpiod_chip *gpiod_chip_open_lookup(const char *name) {
    char text[32];
    if (word("errno", text)) {
        errno = atoi(text);
        return NULL;
    }
    if (strcmp(name, "gpiochip0") != 0 && strcmp(name, "/dev/gpiochip0") != 0 &&
        strcmp(name, "bench") != 0) {
        errno = ENOENT;
        return NULL;
    }
    return calloc(1, sizeof(struct gpiod_chip));
}

void gpiod_chip_close(struct gpiod_chip *chip) {
    free(chip);
}

unsigned gpiod_chip_num_lines(struct gpiod_chip *chip) {
    (void)chip;
    return LINES;
}

struct gpiod_line *gpiod_chip_get_line(struct gpiod_chip *chip, unsigned offset) {
    chip->line.offset = offset;
    return &chip->line;
}

struct gpiod_line *gpiod_chip_find_line(struct gpiod_chip *chip, const char *name) {
    if (strcmp(name, "RELAY") == 0)
        return gpiod_chip_get_line(chip, RELAY);
    errno = ENOENT;
    return NULL;
}

const char *gpiod_line_consumer(struct gpiod_line *line) {
    return line->offset == RELAY && word("consumer", line->consumer) ? line->consumer : NULL;
}

int gpiod_line_request(struct gpiod_line *line, const struct gpiod_line_request_config *config,
                       int value) {
    char text[96];
    if (gpiod_line_consumer(line)) {
        errno = EBUSY;
        return -1;
    }
    bool is_output = config->request_type == GPIOD_LINE_REQUEST_DIRECTION_OUTPUT;
    if (!is_output && (config->flags & ~GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW)) {
        errno = EINVAL; // as the kernel: drive and bias only with a direction
        return -1;
    }
    line->flags = config->flags;
    snprintf(text, sizeof text, "%s line %u %s flags %d value %d\n", config->consumer, line->offset,
             is_output ? "output" : "as-is", config->flags, value);
    put("log", "a", text);
    bool level = value != ((config->flags & GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW) != 0);
    if (is_output && line->offset == RELAY && !word("stuck", text))
        put("value", "w", level ? "1\n" : "0\n");
    return 0;
}

int gpiod_line_get_value(struct gpiod_line *line) {
    char text[32];
    bool level = word("value", text) && text[0] == '1';
    return level != ((line->flags & GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW) != 0);
}

void gpiod_line_release(struct gpiod_line *line) {
    line->flags = 0;
}
