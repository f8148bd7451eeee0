// SPDX-License-Identifier: Apache-2.0
//
// The one error convention of the C core: a function that can fail returns 0
// (JF_OK) or an `enum jf_code`, and fills a caller-owned `struct jf_error`.
// Misuse is an assertion, never an error code.
#ifndef JF_BASE_ERROR_H
#define JF_BASE_ERROR_H

#include <stdarg.h>

// The documented list of ways in which the world fails. Their names
// (jf_code_name) are what Lua code compares.
enum jf_code {
    JF_OK = 0,
    JF_TIMEOUT,     // the deadline passed
    JF_CLOSED,      // the peer hung up, or end of file where more was due
    JF_CANCELLED,   // the job was cancelled by a signal
    JF_IO,          // the operating system refused; `sys_errno` says why
    JF_PROTOCOL,    // the peer or the data broke a format or protocol rule
    JF_CHECKSUM,    // a digest or check value differs
    JF_LIMIT,       // a size, memory or count limit was reached
    JF_UNSUPPORTED, // valid, but not something this program does
};

struct jf_error {
    enum jf_code code;
    int sys_errno; // errno of the failing call, or 0
    char message[768];
};

// The stable name that scripts see ("timeout", "closed", ...).
const char *jf_code_name(enum jf_code code);

// Fills `err` (which may be NULL) and returns `code`, so that callers write
// `return jf_fail(err, JF_PROTOCOL, "…")`.
enum jf_code jf_fail(struct jf_error *err, enum jf_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// As jf_fail with JF_IO, and appends ": " and the text of `sys_errno`. Callers
// pass errno at once: later calls may change it.
enum jf_code jf_fail_errno(struct jf_error *err, int sys_errno, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Puts context before the message of an error on its way up; returns its code.
enum jf_code jf_prefix(struct jf_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
