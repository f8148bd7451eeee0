// SPDX-License-Identifier: Apache-2.0
//
// The record of every byte on a console, in a file that a person can read:
//
//     # ttyUSB0, 2031-02-28T12:00:00Z
//         0.000000 > reset\r
//         0.104211 < U-Boot 2023.01\r\n
//
// Each line has the seconds since the transcript began when its first byte came,
// the direction (`<` received, `>` sent) and the bytes as jf_escape writes them.
// A line ends behind a line feed (\n) and where the direction changes. Secrets
// are replaced, also those that came in pieces; what may be the beginning of one
// waits for its next bytes.
#ifndef JF_CONSOLE_TRANSCRIPT_H
#define JF_CONSOLE_TRANSCRIPT_H

#include <stddef.h>

#include "base/error.h"
#include "base/redact.h"

struct jf_transcript;

enum jf_direction { JF_RECEIVED, JF_SENT };

// Appends to the regular file `path`, which is made with mode 0600. The redactor
// must outlive the transcript.
enum jf_code jf_transcript_open(const char *path, const char *name, struct jf_redactor *redactor,
                                struct jf_transcript **ret_transcript, struct jf_error *err);

// Writes what was held back, too. Accepts NULL.
void jf_transcript_close(struct jf_transcript *transcript);

// Not safe from two threads at once. What cannot be written is lost, and
// jf_transcript_failure tells.
void jf_transcript_add(struct jf_transcript *transcript, enum jf_direction direction,
                       const char *bytes, size_t len);

// The first write that failed; code JF_OK when none did.
const struct jf_error *jf_transcript_failure(const struct jf_transcript *transcript);

#endif
