// SPDX-License-Identifier: Apache-2.0
//
// Runs a program to its end and collects what it prints. The process must ignore
// SIGPIPE: the program may close its input early.
#ifndef JF_SYS_RUN_H
#define JF_SYS_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "sys/process.h"

struct jf_run {
    struct jf_spawn spawn; // `fds` is ignored
    const char *input;     // given to the program's stdin; NULL: /dev/null
    size_t input_len;
    size_t output_limit; // bytes kept of each of stdout and stderr; more is dropped
};

// Zero-initialise; jf_run_result_free in any state.
struct jf_run_result {
    struct jf_exit exit;
    struct jf_buf output;
    struct jf_buf errors;
    bool truncated; // the limit was reached in one of the two
};

// Returns once the program has ended; what it left running in the background
// goes on. On a timeout or cancellation its process group is ended (SIGTERM,
// then SIGKILL), and the result holds what was printed until then.
enum jf_code jf_run(const struct jf_run *run, jf_deadline deadline, const struct jf_cancel *cancel,
                    struct jf_run_result *result, struct jf_error *err);

void jf_run_result_free(struct jf_run_result *result);

#endif
