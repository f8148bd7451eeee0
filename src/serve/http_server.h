// SPDX-License-Identifier: Apache-2.0
//
// The server as its own files see it (http.c, http_request.c).
#ifndef JF_SERVE_HTTP_SERVER_H
#define JF_SERVE_HTTP_SERVER_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>

#include "base/wait.h"
#include "serve/http.h"
#include "serve/http_content.h"
#include "serve/http_history.h"

struct jf_http {
    struct MHD_Daemon *daemon;
    char host[INET_ADDRSTRLEN];
    uint16_t port;
    char token[JF_HTTP_TOKEN_SIZE];
    struct jf_event ended; // raised when a transfer has ended
    unsigned connection_limit;
    unsigned connections; // open now; only the library's thread looks at it
    // Between the job's thread and the library's. Held briefly: no file is read or
    // written under it. A stream's own lock may be taken inside it.
    pthread_mutex_t lock;
    struct jf_http_content *contents;
    struct jf_http_history history;
    uint64_t requests;
    bool is_limited; // to the one client `only`
    struct in_addr only;
};

// The library's callbacks; `context` is the struct jf_http.
enum MHD_Result jf_http_on_request(void *context, struct MHD_Connection *connection,
                                   const char *url, const char *method, const char *version,
                                   const char *bytes, size_t *len, void **request);
void jf_http_on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                           enum MHD_ConnectionNotificationCode what);
void jf_http_on_completed(void *context, struct MHD_Connection *connection, void **request,
                          enum MHD_RequestTerminationCode how);

// The content of that name, without a reference; NULL when there is none. Under
// the lock.
struct jf_http_content *jf_http_find(const struct jf_http *http, const char *name);

#endif
