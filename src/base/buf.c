// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *jf_buf_reserve(struct jf_buf *buf, size_t len) {
    if (len > SIZE_MAX / 2 - buf->len)
        return NULL;
    size_t need = buf->len + len + 1;
    if (need > buf->cap) {
        size_t cap = buf->cap ? buf->cap : 64;
        while (cap < need)
            cap *= 2;
        char *data = realloc(buf->data, cap);
        if (!data)
            return NULL;
        buf->data = data;
        buf->cap = cap;
        buf->data[buf->len] = '\0';
    }
    return buf->data + buf->len;
}

bool jf_buf_add(struct jf_buf *buf, const void *bytes, size_t len) {
    char *room = jf_buf_reserve(buf, len);
    if (!room)
        return false;
    if (len)
        memcpy(room, bytes, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return true;
}

bool jf_buf_addf(struct jf_buf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);

    char *room = len < 0 ? NULL : jf_buf_reserve(buf, (size_t)len);
    if (room) {
        vsnprintf(room, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    return room != NULL;
}

void jf_buf_drop(struct jf_buf *buf, size_t len) {
    if (!buf->data)
        return;
    memmove(buf->data, buf->data + len, buf->len - len + 1);
    buf->len -= len;
}

void jf_buf_free(struct jf_buf *buf) {
    free(buf->data);
    *buf = (struct jf_buf){0};
}
