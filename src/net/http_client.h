// SPDX-License-Identifier: Apache-2.0
//
// One request by HTTP or HTTPS, a GET if not said otherwise, its redirects followed. Credentials
// and headers go to the host that they were given for: behind a redirect to another scheme, host or
// port they are dropped, and stay dropped. From https to http no redirect leads.
#ifndef JF_NET_HTTP_CLIENT_H
#define JF_NET_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "net/content_range.h"
#include "net/curl_lib.h"

#define JF_HTTP_VALIDATOR_SIZE 256
#define JF_HTTP_SHOWN_SIZE 512
#define JF_HTTP_CHALLENGE_SIZE 4096
#define JF_HTTP_LOCATION_SIZE 4096

struct jf_http_request {
    const char *name;           // what messages call it; without secrets
    const char *url;            // may hold credentials, which no message repeats
    const char *const *headers; // "Name: value", NULL at the end; may be NULL
    const char *bearer;         // a token; NULL: none
    const char *user;           // for Basic, before those in the URL; NULL: none
    const char *password;       //
    bool digest;                // Digest (RFC 7616) instead of Basic
    const char *accept;         // media types; sent to where it redirects too; NULL: any
    const void *body;           // NULL: a GET; else a POST of it
    size_t body_len;            //
    const char *body_type;      // its media type; NULL: one of the headers says it
    bool has_file;              // the body is the first `body_len` bytes of a file instead
    int body_fd;                //
    // HEAD, PUT, POST, …; NULL: as the body says. With it each status 2xx is an answer, and a
    // request with a body is not redirected.
    const char *method;
    const char *cacert; // a PEM file: these authorities and no others; NULL: the system's
    bool insecure;      // believe any certificate
    const char *user_agent;
    double connect_timeout_s;
    double stall_timeout_s; // no byte for so long fails; whole seconds
    double total_timeout_s; // of the whole answer; 0: no limit
    uint64_t offset;        // ask for the bytes from here on
    const char *if_range;   // with an offset: the validator that they must still have
    const char *if_none_match;
    const char *if_modified_since;
};

struct jf_http_answer {
    int status;                                 // 200, 206 or 304; with a method any 2xx
    char etag[JF_HTTP_VALIDATOR_SIZE];          // empty when there is none
    char last_modified[JF_HTTP_VALIDATOR_SIZE]; // empty when there is none
    char content_type[JF_HTTP_VALIDATOR_SIZE];  // empty when there is none
    char digest[JF_HTTP_VALIDATOR_SIZE];        // a registry's Docker-Content-Digest, or empty
    char location[JF_HTTP_LOCATION_SIZE];       // of 2xx, as it was sent; or empty
    int64_t length;                             // bytes of this answer; -1: unknown
    bool has_range;
    struct jf_content_range range;
    char redirected_to[JF_HTTP_SHOWN_SIZE]; // without query; empty when it was not
};

// Whether a failure can pass by itself.
enum jf_http_outlook {
    JF_HTTP_LASTING,     // refused, not found, no trust, local trouble
    JF_HTTP_UNREACHABLE, // no connection: the network, or a wrong name
    JF_HTTP_PASSING,     // cut, stalled, overloaded
};

struct jf_http_outcome {
    enum jf_http_outlook outlook;
    int status;           // HTTP's; 0 when none came
    double retry_after_s; // what the server asked for; negative: nothing
    bool no_tls;          // no TLS came about: the server may speak plain HTTP
    // With status 401, of the host that was asked itself: its fields WWW-Authenticate,
    // joined by ", "; empty when there are none, or too long ones.
    char challenge[JF_HTTP_CHALLENGE_SIZE];
};

// Who gets the answer: first on_answer, then on_bytes any number of times. An
// error of theirs ends the transfer and is its result.
struct jf_http_taker {
    enum jf_code (*on_answer)(void *context, const struct jf_http_answer *answer,
                              struct jf_error *err);
    enum jf_code (*on_bytes)(void *context, const void *bytes, size_t len, struct jf_error *err);
    void *context;
};

// Fetches in the calling thread. A status other than 200, 206 and 304 is
// JF_PROTOCOL. `cancel` ends it at once. *ret_outcome tells about a failure.
enum jf_code jf_http_get(const struct jf_curl *curl, const struct jf_http_request *request,
                         const struct jf_http_taker *taker, const struct jf_cancel *cancel,
                         struct jf_http_outcome *ret_outcome, struct jf_error *err);

// One who does this with something of its own around it, as a registry's tokens.
struct jf_http_getter {
    enum jf_code (*get)(void *owner, const struct jf_curl *curl,
                        const struct jf_http_request *request, const struct jf_http_taker *taker,
                        const struct jf_cancel *cancel, struct jf_http_outcome *ret_outcome,
                        struct jf_error *err); // any thread
    void (*ref)(void *owner);
    void (*unref)(void *owner);
    void *owner;
};

#endif
