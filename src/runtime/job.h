// SPDX-License-Identifier: Apache-2.0
//
// A job: one Lua state on one thread. Several jobs may run in one process; they
// share nothing that does not lock for itself.
#ifndef JF_RUNTIME_JOB_H
#define JF_RUNTIME_JOB_H

#include <stdbool.h>

#include "base/error.h"

struct jf_job;
struct jf_shared;

// Starts `require("jflash.cli").main(argv)` on a thread of its own. `argv` and
// `shared` must outlive the job. On success the caller owns the job and frees it with
// jf_job_finish.
enum jf_code jf_job_start(int argc, char **argv, struct jf_shared *shared, struct jf_job **ret_job,
                          struct jf_error *err);

// A descriptor that becomes readable when the job has ended.
int jf_job_done_fd(const struct jf_job *job);

// Asks the job to unwind because of `signal_number`. Safe from any thread.
void jf_job_cancel(struct jf_job *job, int signal_number);

// Whether it was asked, and has not taken that for the end of one wait only (as an
// interactive prompt does). Safe from any thread.
bool jf_job_is_cancelled(const struct jf_job *job);

// For an exit without unwinding: restores the person's terminal and writes what
// stays on to stderr.
void jf_job_abandon(struct jf_job *job);

// Waits for the thread, frees the job and returns its exit status.
int jf_job_finish(struct jf_job *job);

#endif
