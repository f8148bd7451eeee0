// SPDX-License-Identifier: Apache-2.0
//
// A look at the beginning of a source, in the caller's thread: what format it
// has, whether that can be written, and whether its first megabytes decode.
// What was read of a source that cannot be read twice is kept for later.
#ifndef JF_IMAGE_PROBE_H
#define JF_IMAGE_PROBE_H

#include <stdint.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "image/format.h"
#include "image/source.h"

// The probe stops after this many bytes, delivered or decoded.
#define JF_PROBE_BYTES ((uint64_t)4 << 20)

struct jf_probe_options {
    enum jf_format format;   // JF_FORMAT_AUTO: by the first bytes
    uint64_t memlimit_bytes; // as for the pipeline; 0: its default
};

struct jf_probe {
    enum jf_format format;
    enum jf_format inner;        // of the decoded bytes
    uint64_t decoded_head_bytes; // how many were decoded without fault
    char hint[JF_HINT_SIZE];     // with JF_UNSUPPORTED: how to convert it; else empty
};

// Fills *ret_probe as far as it came, also on errors (those of jf_decoder_run,
// jf_format_check and jf_source_read).
enum jf_code jf_probe(struct jf_source *source, const struct jf_probe_options *options,
                      jf_deadline deadline, const struct jf_cancel *cancel,
                      struct jf_probe *ret_probe, struct jf_error *err);

#endif
