// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <stdio.h>
#include <string.h>

const char *jf_code_name(enum jf_code code) {
    switch (code) {
    case JF_OK:
        return "ok";
    case JF_TIMEOUT:
        return "timeout";
    case JF_CLOSED:
        return "closed";
    case JF_CANCELLED:
        return "cancelled";
    case JF_IO:
        return "io";
    case JF_PROTOCOL:
        return "protocol";
    case JF_CHECKSUM:
        return "checksum";
    case JF_LIMIT:
        return "limit";
    case JF_UNSUPPORTED:
        return "unsupported";
    }
    return "unknown";
}

static void fill(struct jf_error *err, enum jf_code code, int sys_errno, const char *format,
                 va_list args) {
    err->code = code;
    err->sys_errno = sys_errno;
    vsnprintf(err->message, sizeof err->message, format, args);
}

enum jf_code jf_fail(struct jf_error *err, enum jf_code code, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        fill(err, code, 0, format, args);
        va_end(args);
    }
    return code;
}

enum jf_code jf_fail_errno(struct jf_error *err, int sys_errno, const char *format, ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        fill(err, JF_IO, sys_errno, format, args);
        va_end(args);

        size_t used = strlen(err->message);
        char text[128];
        // The GNU strerror_r: returns the text, which need not be in `text`.
        const char *reason = strerror_r(sys_errno, text, sizeof text);
        snprintf(err->message + used, sizeof err->message - used, ": %s", reason);
    }
    return JF_IO;
}

enum jf_code jf_prefix(struct jf_error *err, const char *format, ...) {
    struct jf_error inner = *err;
    va_list args;
    va_start(args, format);
    fill(err, inner.code, inner.sys_errno, format, args);
    va_end(args);

    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", inner.message);
    return err->code;
}
