// SPDX-License-Identifier: Apache-2.0
//
// One small request and its whole answer in memory: what a device with a web
// interface says.
#ifndef JF_NET_HTTP_EXCHANGE_H
#define JF_NET_HTTP_EXCHANGE_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/error.h"
#include "net/http_client.h"

// A longer answer is JF_LIMIT.
#define JF_HTTP_EXCHANGE_MAX 65536

// Asks in the calling thread; loads libcurl: JF_UNSUPPORTED when that is not there.
// Appends the answer to `body`, which the caller frees in every case. `cancel` ends it
// at once. A status that is no success is JF_PROTOCOL, with *ret_outcome as of jf_http_get.
enum jf_code jf_http_exchange(const struct jf_http_request *request, const struct jf_cancel *cancel,
                              struct jf_buf *body, struct jf_http_outcome *ret_outcome,
                              struct jf_error *err);

#endif
