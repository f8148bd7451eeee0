// SPDX-License-Identifier: Apache-2.0
//
// libcurl, loaded when the first URL is fetched. Linked in, it would bring some
// thirty libraries into every run, and with them several times the start-up time
// and the memory of a run that fetches nothing.
#ifndef JF_NET_CURL_LIB_H
#define JF_NET_CURL_LIB_H

#include <curl/curl.h>

#include "base/error.h"

// The functions that are used, by their names without "curl_".
#define JF_CURL_FUNCTIONS(X)                                                                       \
    X(global_init)                                                                                 \
    X(global_cleanup)                                                                              \
    X(easy_init)                                                                                   \
    X(easy_cleanup)                                                                                \
    X(easy_setopt)                                                                                 \
    X(easy_getinfo)                                                                                \
    X(easy_header)                                                                                 \
    X(easy_escape)                                                                                 \
    X(easy_strerror)                                                                               \
    X(multi_init)                                                                                  \
    X(multi_cleanup)                                                                               \
    X(multi_add_handle)                                                                            \
    X(multi_remove_handle)                                                                         \
    X(multi_perform)                                                                               \
    X(multi_poll)                                                                                  \
    X(multi_info_read)                                                                             \
    X(multi_strerror)                                                                              \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(url)                                                                                         \
    X(url_cleanup)                                                                                 \
    X(url_set)                                                                                     \
    X(url_get)                                                                                     \
    X(free)

struct jf_curl {
    void *library; // NULL: not loaded
#define JF_CURL_MEMBER(name) __typeof__(curl_##name) *(name);
    JF_CURL_FUNCTIONS(JF_CURL_MEMBER)
#undef JF_CURL_MEMBER
};

// Loads the library (again: the system counts). JF_UNSUPPORTED, with words about
// what to install, when it is not there or too old. Any thread.
enum jf_code jf_curl_load(struct jf_curl *curl, struct jf_error *err);
void jf_curl_unload(struct jf_curl *curl); // accepts one that was not loaded

#endif
