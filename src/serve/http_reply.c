// SPDX-License-Identifier: Apache-2.0
#include "serve/http_reply.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum MHD_Result add(struct MHD_Response *response, const char *name, const char *value) {
    return MHD_add_response_header(response, name, value);
}

enum jf_code jf_http_reply_empty(unsigned status, const char *allow, struct jf_http_reply *ret) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return JF_LIMIT;
    if (allow && add(response, MHD_HTTP_HEADER_ALLOW, allow) != MHD_YES) {
        MHD_destroy_response(response);
        return JF_LIMIT;
    }
    *ret = (struct jf_http_reply){.status = status, .response = response};
    return JF_OK;
}

static void drop_reference(void *context) {
    jf_http_content_unref(context);
}

static struct MHD_Response *from_file(const struct jf_http_content *content,
                                      const struct jf_http_range *range) {
    // The response closes its descriptor.
    int fd = fcntl(content->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    struct MHD_Response *response =
        MHD_create_response_from_fd_at_offset64((uint64_t)range->count, fd, (uint64_t)range->first);
    if (!response)
        close(fd);
    return response;
}

static struct MHD_Response *from_bytes(struct jf_http_content *content,
                                       const struct jf_http_range *range) {
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        (size_t)range->count, (char *)content->bytes + range->first, drop_reference,
        jf_http_content_ref(content));
    if (!response)
        jf_http_content_unref(content);
    return response;
}

static struct MHD_Response *from_stream(struct jf_http_content *content) {
    struct MHD_Response *response =
        jf_http_stream_response(content->stream, drop_reference, jf_http_content_ref(content));
    if (!response)
        jf_http_content_unref(content);
    return response;
}

static struct MHD_Response *make(struct jf_http_content *content,
                                 const struct jf_http_range *range) {
    if (content->kind == JF_HTTP_STREAM)
        return from_stream(content);
    if (range->count == 0)
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    return content->kind == JF_HTTP_FILE ? from_file(content, range) : from_bytes(content, range);
}

static bool add_range_headers(struct MHD_Response *response, const struct jf_http_content *content,
                              const struct jf_http_reply *reply) {
    char text[80];
    if (add(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes") != MHD_YES)
        return false;
    if (reply->status == MHD_HTTP_OK)
        return true;
    if (reply->status == MHD_HTTP_PARTIAL_CONTENT)
        snprintf(text, sizeof text, "bytes %" PRId64 "-%" PRId64 "/%" PRId64, reply->range.first,
                 reply->range.first + reply->range.count - 1, content->size);
    else
        snprintf(text, sizeof text, "bytes */%" PRId64, content->size);
    return add(response, MHD_HTTP_HEADER_CONTENT_RANGE, text) == MHD_YES;
}

static bool add_headers(struct MHD_Response *response, const struct jf_http_content *content,
                        const struct jf_http_reply *reply) {
    if (add(response, MHD_HTTP_HEADER_CONTENT_TYPE, content->type) != MHD_YES)
        return false;
    if (content->etag[0] && add(response, MHD_HTTP_HEADER_ETAG, content->etag) != MHD_YES)
        return false;
    return content->kind == JF_HTTP_STREAM || add_range_headers(response, content, reply);
}

// A range is only good for the very content that the client has the rest of.
static const char *wanted_range(const struct jf_http_content *content,
                                const struct jf_http_ask *ask) {
    if (ask->if_range && strcmp(ask->if_range, content->etag) != 0)
        return NULL;
    return ask->range;
}

static void choose(const struct jf_http_content *content, const struct jf_http_ask *ask,
                   struct jf_http_reply *reply) {
    static const unsigned statuses[] = {
        [JF_RANGE_WHOLE] = MHD_HTTP_OK,
        [JF_RANGE_PART] = MHD_HTTP_PARTIAL_CONTENT,
        [JF_RANGE_UNSATISFIED] = MHD_HTTP_RANGE_NOT_SATISFIABLE,
    };
    *reply = (struct jf_http_reply){.status = MHD_HTTP_OK, .range.count = content->size};
    if (content->kind != JF_HTTP_STREAM)
        reply->status =
            statuses[jf_http_range_parse(wanted_range(content, ask), content->size, &reply->range)];
}

enum jf_code jf_http_reply_content(struct jf_http_content *content, const struct jf_http_ask *ask,
                                   struct jf_http_reply *ret) {
    struct jf_http_reply reply;
    choose(content, ask, &reply);
    reply.response = make(content, &reply.range);
    if (!reply.response)
        return JF_LIMIT;
    if (!add_headers(reply.response, content, &reply)) {
        MHD_destroy_response(reply.response);
        return JF_LIMIT;
    }
    *ret = reply;
    return JF_OK;
}
