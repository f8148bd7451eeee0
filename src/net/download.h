// SPDX-License-Identifier: Apache-2.0
//
// A download into a file, by a thread of its own. The file can be read while it
// grows (jf_download_read), by several threads. What was cut goes on where it
// stopped (Range with If-Range); bytes are appended only when the server says that
// they are those of the same content at that place. When it sends everything again
// instead, what is there already is compared, not written twice.
#ifndef JF_NET_DOWNLOAD_H
#define JF_NET_DOWNLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "net/http_client.h"

struct jf_download;

struct jf_download_options {
    // `offset` is how much of the file is there already, of the content that
    // `if_range` names; if that has changed, the file begins anew.
    struct jf_http_request request;
    const char *file;     // opened or made, mode 0600
    uint64_t limit_bytes; // more is JF_LIMIT; 0: no limit
    unsigned retries;     // tries without progress after the first, for what can pass
    double backoff_s;     // before the first of them; doubled for each further one
    // The content's digest, and so its only state: parts fit without a validator. A
    // whole that has another one is JF_CHECKSUM. NULL: not known.
    const char *sha256;
    struct jf_http_getter getter; // all NULL: jf_http_get
    // A failure counts also when all bytes that were announced have arrived: what the
    // getter does behind the last one decides whether they are good.
    bool to_the_end;
};

struct jf_download_progress {
    uint64_t bytes; // can be read
    int64_t total;  // -1: not known
    unsigned retries;
    bool answered; // `answer` is filled
    bool done;     // successfully or not
    bool failed;   // only with `done`
};

struct jf_download_result {
    struct jf_http_answer answer; // the first one; status 304: nothing was fetched
    uint64_t bytes;
    char sha256[JF_SHA256_HEX_SIZE]; // of the whole file; empty when that did not arrive
    struct jf_http_outcome outcome;  // of a failure
    bool changed;                    // failed: the content at the server is another one now
};

// Starts the thread. Loads libcurl: JF_UNSUPPORTED when that is not there. The
// caller owns one reference.
enum jf_code jf_download_start(const struct jf_download_options *options,
                               struct jf_download **ret_download, struct jf_error *err);

// Each holder drops its own reference; the last one stops it. Any thread but its own.
struct jf_download *jf_download_ref(struct jf_download *download);
void jf_download_unref(struct jf_download *download); // accepts NULL

void jf_download_progress(struct jf_download *download, struct jf_download_progress *ret_progress);

// Waits until the server has answered, or it has failed (both JF_OK).
enum jf_code jf_download_wait_answer(struct jf_download *download, jf_deadline deadline,
                                     const struct jf_cancel *cancel, struct jf_error *err);

// Waits until it is done, well or not (both JF_OK: ask jf_download_result).
enum jf_code jf_download_wait(struct jf_download *download, jf_deadline deadline,
                              const struct jf_cancel *cancel, struct jf_error *err);

// What came out, or JF_TIMEOUT before it is done. Filled as far as things went.
enum jf_code jf_download_result(struct jf_download *download, struct jf_download_result *ret_result,
                                struct jf_error *err);

// Reads up to `len` bytes at `offset`, waiting until at least one is there. *ret_len
// is 0 at the end, which is known only when all has arrived. A failed download
// gives its error behind the last byte that arrived.
enum jf_code jf_download_read(struct jf_download *download, uint64_t offset, void *bytes,
                              size_t len, jf_deadline deadline, const struct jf_cancel *cancel,
                              size_t *ret_len, struct jf_error *err);

// The size of the whole; -1 while it is not known.
int64_t jf_download_size(struct jf_download *download);

#endif
