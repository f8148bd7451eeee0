// SPDX-License-Identifier: Apache-2.0
//
// A growable byte buffer. Zero-initialise it; jf_buf_free may be called in any
// state. The content is always followed by a NUL that `len` does not count.
#ifndef JF_BASE_BUF_H
#define JF_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct jf_buf {
    char *data; // NULL until something was added
    size_t len;
    size_t cap;
};

// False when memory is out; the buffer is then unchanged.
bool jf_buf_add(struct jf_buf *buf, const void *bytes, size_t len);
bool jf_buf_addf(struct jf_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Makes room for `len` more bytes and returns where they go; NULL when memory
// is out. The caller then adds what it wrote to `len`.
char *jf_buf_reserve(struct jf_buf *buf, size_t len);

// Drops the first `len` bytes.
void jf_buf_drop(struct jf_buf *buf, size_t len);

void jf_buf_free(struct jf_buf *buf);

#endif
