// SPDX-License-Identifier: Apache-2.0
//
// Cancellation of one job. Any thread may request it; the job's thread sees it
// in every wait (base/wait.h). While clean-up runs it is masked, and then each
// wait is bounded by the clean-up's own deadline instead.
#ifndef JF_BASE_CANCEL_H
#define JF_BASE_CANCEL_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/error.h"

struct jf_cancel;

// Returns NULL when the system has no descriptor left. Free with jf_cancel_free.
struct jf_cancel *jf_cancel_new(void);

// Accepts NULL.
void jf_cancel_free(struct jf_cancel *cancel);

// Asks the job to stop because of `signal_number`. The first request wins.
// Safe from any thread.
void jf_cancel_request(struct jf_cancel *cancel, int signal_number);

// Forgets a request: a REPL's next evaluation starts afresh.
void jf_cancel_reset(struct jf_cancel *cancel);

// The signal of the request, also while masked; 0 when there was none.
int jf_cancel_signal(const struct jf_cancel *cancel);

// Starts a masked section in which waits end at `deadline`; sections nest, and
// the inner deadline is never later than the outer. Only the job's own thread
// may mask. Returns the deadline to hand to jf_cancel_unmask.
jf_deadline jf_cancel_mask(struct jf_cancel *cancel, jf_deadline deadline);
void jf_cancel_unmask(struct jf_cancel *cancel, jf_deadline outer);

// 0, or the reason for the job's thread to stop what it does now: JF_CANCELLED
// when a request is visible, JF_TIMEOUT when a masked section overran.
enum jf_code jf_cancel_check(const struct jf_cancel *cancel, struct jf_error *err);

// Notes that the job's Lua code has been told of the request, and now unwinds.
void jf_cancel_told(struct jf_cancel *cancel);

// As jf_cancel_check, for Lua code that does not wait, and so is not told. JF_OK
// for a second after it was told (by jf_cancel_told or by this) and after a masked
// section: it then unwinds, and an interruption would take a clean-up away.
enum jf_code jf_cancel_interrupt(struct jf_cancel *cancel, struct jf_error *err);

// For the waiting primitives: the descriptor to poll (readable once cancelled),
// or -1 while masked; and the deadline that a masked section imposes.
int jf_cancel_fd(const struct jf_cancel *cancel);
jf_deadline jf_cancel_bound(const struct jf_cancel *cancel, jf_deadline deadline);

#endif
