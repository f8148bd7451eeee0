// SPDX-License-Identifier: Apache-2.0
//
// When a request that failed is tried again, and after how long.
#ifndef JF_NET_HTTP_RETRY_H
#define JF_NET_HTTP_RETRY_H

#include <stdbool.h>

#include "net/http_client.h"

// Whether the failure can pass by itself. `answered`: the server has been reached
// before; without that, no connection is rather a wrong name than a passing trouble.
bool jf_http_may_pass(const struct jf_http_outcome *outcome, bool answered);

// Waits before the try that follows `used` failed ones: `backoff_s`, doubled for each
// of them, or what the server asked for when that is longer.
enum jf_code jf_http_back_off(const struct jf_http_outcome *outcome, double backoff_s,
                              unsigned used, const struct jf_cancel *cancel, struct jf_error *err);

#endif
