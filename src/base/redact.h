// SPDX-License-Identifier: Apache-2.0
//
// Secrets never reach a log, a transcript or a message: they are replaced by
// value at the sink. A secret is registered once and found in its plain, its
// base64 and its URL-escaped form.
#ifndef JF_BASE_REDACT_H
#define JF_BASE_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

// The set of secrets of one job; safe from any thread.
struct jf_redactor;

// NULL when memory is out. Free with jf_redactor_free, which accepts NULL.
struct jf_redactor *jf_redactor_new(void);
void jf_redactor_free(struct jf_redactor *redactor);

// Adds a secret. One shorter than four bytes is not added (it would blacken
// ordinary text) and gives false, as does lack of memory.
bool jf_redactor_add(struct jf_redactor *redactor, const char *secret, size_t len);

// Appends `text` to `out` with every secret replaced by "[redacted]". False when
// memory is out.
bool jf_redact(struct jf_redactor *redactor, const char *text, size_t len, struct jf_buf *out);

// A stream that arrives in pieces: bytes that may be the beginning of a secret
// are held back in `pending` until the next piece decides.
struct jf_redact_stream {
    struct jf_buf pending;
};

// Appends to `out` what can be shown after `len` more bytes; with `flush` all of
// it. False when memory is out.
bool jf_redact_stream_add(struct jf_redactor *redactor, struct jf_redact_stream *stream,
                          const char *bytes, size_t len, bool flush, struct jf_buf *out);
void jf_redact_stream_free(struct jf_redact_stream *stream);

#endif
