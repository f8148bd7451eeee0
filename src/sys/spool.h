// SPDX-License-Identifier: Apache-2.0
//
// Standard input to a file, for data that is needed more than once.
#ifndef JF_SYS_SPOOL_H
#define JF_SYS_SPOOL_H

#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

// Copies `fd` up to its end into the new file `path` (mode 0600; it must not
// exist), and waits for each piece as long as it takes, unless cancelled. On
// failure the file is gone. *ret_bytes is its size.
enum jf_code jf_spool(int fd, const char *path, const struct jf_cancel *cancel, uint64_t *ret_bytes,
                      struct jf_error *err);

#endif
