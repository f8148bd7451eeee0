// SPDX-License-Identifier: Apache-2.0
#include "net/http_retry.h"

#include "base/clock.h"
#include "base/wait.h"

#define BACKOFF_MAX_S 30.0
// A server that asks for more patience than this is an error now, not a silence.
#define RETRY_AFTER_MAX_S 300.0

bool jf_http_may_pass(const struct jf_http_outcome *outcome, bool answered) {
    if (outcome->retry_after_s > RETRY_AFTER_MAX_S)
        return false;
    return outcome->outlook == JF_HTTP_PASSING ||
           (outcome->outlook == JF_HTTP_UNREACHABLE && answered);
}

enum jf_code jf_http_back_off(const struct jf_http_outcome *outcome, double backoff_s,
                              unsigned used, const struct jf_cancel *cancel, struct jf_error *err) {
    double seconds = backoff_s;
    for (unsigned i = 0; i < used && seconds < BACKOFF_MAX_S; i++)
        seconds *= 2;
    if (seconds > BACKOFF_MAX_S)
        seconds = BACKOFF_MAX_S;
    if (outcome->retry_after_s > seconds)
        seconds = outcome->retry_after_s;
    return jf_sleep_until(jf_deadline_in(seconds), cancel, err);
}
