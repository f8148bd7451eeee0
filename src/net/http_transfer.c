// SPDX-License-Identifier: Apache-2.0
#include "net/http_transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES 262144L
#define POLL_MS 1000
// What is read of a redirect's body, which nobody wants.
#define REDIRECT_BODY_BYTES 1048576

enum {
    STATUS_OK = 200,
    STATUS_PARTIAL = 206,
    STATUS_NOT_MODIFIED = 304,
    STATUS_UNAUTHORIZED = 401,
    STATUS_REQUEST_TIMEOUT = 408,
    STATUS_TOO_MANY = 429,
    STATUS_SERVER_FAILED = 500,
    STATUS_NOT_IMPLEMENTED = 501,
    STATUS_VERSION = 505,
};

// The answer.

static void copy_header(const struct jf_http_transfer *t, const char *name, char *ret,
                        size_t size) {
    struct curl_header *header;
    ret[0] = '\0';
    if (t->curl->easy_header(t->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return;
    // One that is too long is as good as none: half a validator fits nothing.
    if (strlen(header->value) < size)
        memcpy(ret, header->value, strlen(header->value) + 1);
}

static void read_answer(const struct jf_http_transfer *t, struct jf_http_answer *answer) {
    long status = 0;
    curl_off_t length = -1;
    char range[JF_HTTP_VALIDATOR_SIZE];
    t->curl->easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->curl->easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    answer->status = (int)status;
    answer->length = length;
    copy_header(t, "ETag", answer->etag, sizeof answer->etag);
    copy_header(t, "Last-Modified", answer->last_modified, sizeof answer->last_modified);
    copy_header(t, "Content-Type", answer->content_type, sizeof answer->content_type);
    copy_header(t, "Docker-Content-Digest", answer->digest, sizeof answer->digest);
    copy_header(t, "Location", answer->location, sizeof answer->location);
    copy_header(t, "Content-Range", range, sizeof range);
    answer->has_range = jf_content_range_parse(range, &answer->range);
}

static enum jf_http_outlook outlook_of(int status) {
    bool passing = status == STATUS_REQUEST_TIMEOUT || status == STATUS_TOO_MANY ||
                   (status >= STATUS_SERVER_FAILED && status != STATUS_NOT_IMPLEMENTED &&
                    status != STATUS_VERSION);
    return passing ? JF_HTTP_PASSING : JF_HTTP_LASTING;
}

static const char *reason_of(int status) {
    switch (status) {
    case STATUS_UNAUTHORIZED:
        return " (Unauthorized: no credentials, or wrong ones)";
    case 403:
        return " (Forbidden)";
    case 404:
        return " (Not Found)";
    case 407:
        return " (Proxy Authentication Required)";
    case 410:
        return " (Gone)";
    case 416:
        return " (Range Not Satisfiable)";
    case STATUS_TOO_MANY:
        return " (Too Many Requests)";
    case 500:
        return " (Internal Server Error)";
    case 502:
        return " (Bad Gateway)";
    case 503:
        return " (Service Unavailable)";
    case 504:
        return " (Gateway Timeout)";
    default:
        return "";
    }
}

// What another host asks for is none of ours: it gets no credentials.
static void read_challenge(struct jf_http_transfer *t) {
    char *all = t->outcome.challenge;
    struct curl_header *header;
    size_t len = 0;
    all[0] = '\0';
    for (size_t i = 0; t->trusted && t->curl->easy_header(t->easy, "WWW-Authenticate", i,
                                                          CURLH_HEADER, -1, &header) == CURLHE_OK;
         i++) {
        const char *comma = len ? ", " : "";
        if (len + strlen(comma) + strlen(header->value) >= JF_HTTP_CHALLENGE_SIZE)
            return;
        len += (size_t)sprintf(all + len, "%s%s", comma, header->value);
    }
}

static enum jf_code refuse_status(struct jf_http_transfer *t, int status) {
    curl_off_t wait_s = 0;
    if (status == STATUS_UNAUTHORIZED)
        read_challenge(t);
    t->curl->easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &wait_s);
    t->outcome.outlook = outlook_of(status);
    if (wait_s > 0)
        t->outcome.retry_after_s = (double)wait_s;
    const char *elsewhere = t->answer->redirected_to;
    return jf_fail(t->err, JF_PROTOCOL, "%s: %s%s answered %d%s%s", t->request->name,
                   elsewhere[0] ? "it redirects to " : "the server", elsewhere, status,
                   reason_of(status),
                   !t->trusted && (t->request->bearer || t->request->headers)
                       ? ", and credentials are not sent on to another host"
                       : "");
}

// Where it leads, libcurl tells only at the end of the answer.
static bool is_redirect(const struct jf_http_transfer *t, int status) {
    struct curl_header *location;
    return status >= 300 && status < 400 && status != STATUS_NOT_MODIFIED &&
           t->curl->easy_header(t->easy, "Location", 0, CURLH_HEADER, -1, &location) == CURLHE_OK;
}

static bool has_body(const struct jf_http_request *request) {
    return request->body || request->has_file;
}

static bool is_answer(const struct jf_http_transfer *t, int status) {
    return status == STATUS_OK || status == STATUS_PARTIAL || status == STATUS_NOT_MODIFIED ||
           (t->request->method && status / 100 == 2);
}

// Once per answer: with the first byte of its body, or at its end.
static enum jf_code take_answer(struct jf_http_transfer *t) {
    t->answered = true;
    read_answer(t, t->answer);
    int status = t->answer->status;
    t->redirects = is_redirect(t, status) && !(t->request->method && has_body(t->request));
    if (t->redirects)
        return JF_OK;
    t->outcome.status = status;
    if (!is_answer(t, status))
        return refuse_status(t, status);
    return t->taker->on_answer(t->taker->context, t->answer, t->err);
}

// libcurl's write function: anything but the whole count ends the transfer.
static size_t take_bytes(char *bytes, size_t size, size_t count, void *context) {
    struct jf_http_transfer *t = context;
    size_t len = size * count;
    if (!t->answered)
        t->refused = take_answer(t);
    if (t->redirects) {
        t->skipped += len;
        return t->skipped <= REDIRECT_BODY_BYTES ? len : 0;
    }
    if (t->refused == JF_OK && len)
        t->refused = t->taker->on_bytes(t->taker->context, bytes, len, t->err);
    return t->refused == JF_OK ? len : 0;
}

// The request.

static bool add_header(struct jf_http_transfer *t, const char *format, const char *value) {
    char *line = NULL;
    if (asprintf(&line, format, value) < 0)
        return false;
    struct curl_slist *longer = t->curl->slist_append(t->headers, line);
    explicit_bzero(line, strlen(line));
    free(line);
    if (!longer)
        return false;
    t->headers = longer;
    return true;
}

static bool add_headers(struct jf_http_transfer *t) {
    const struct jf_http_request *request = t->request;
    bool ok = true;
    for (size_t i = 0; t->trusted && request->headers && request->headers[i] && ok; i++)
        ok = add_header(t, "%s", request->headers[i]);
    if (ok && t->trusted && request->bearer)
        ok = add_header(t, "Authorization: Bearer %s", request->bearer);
    if (ok && request->accept)
        ok = add_header(t, "Accept: %s", request->accept);
    if (ok && has_body(request) && request->body_type)
        ok = add_header(t, "Content-Type: %s", request->body_type);
    if (ok && request->if_none_match)
        ok = add_header(t, "If-None-Match: %s", request->if_none_match);
    if (ok && request->if_modified_since)
        ok = add_header(t, "If-Modified-Since: %s", request->if_modified_since);
    if (ok && request->offset && request->if_range)
        ok = add_header(t, "If-Range: %s", request->if_range);
    return ok;
}

static void set_credentials(const struct jf_http_transfer *t) {
    const struct jf_curl *curl = t->curl;
    bool own = t->request->user != NULL;
    const char *user = own ? t->request->user : t->url->user;
    const char *password = own ? t->request->password : t->url->password;
    if (!t->trusted || (!user && !password))
        return;
    curl->easy_setopt(t->easy, CURLOPT_HTTPAUTH,
                      t->request->digest ? CURLAUTH_DIGEST : CURLAUTH_BASIC);
    curl->easy_setopt(t->easy, CURLOPT_USERNAME, user ? user : "");
    curl->easy_setopt(t->easy, CURLOPT_PASSWORD, password ? password : "");
}

static void set_trust(const struct jf_http_transfer *t) {
    const struct jf_curl *curl = t->curl;
    long check = t->request->insecure ? 0L : 1L;
    curl->easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, check);
    curl->easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, check * 2L);
    if (!t->request->cacert)
        return;
    curl->easy_setopt(t->easy, CURLOPT_CAINFO, t->request->cacert);
    curl->easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
}

static void set_limits(const struct jf_http_transfer *t) {
    const struct jf_curl *curl = t->curl;
    curl->easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS,
                      (long)(t->request->connect_timeout_s * 1000));
    curl->easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)(t->request->total_timeout_s * 1000));
    curl->easy_setopt(t->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl->easy_setopt(t->easy, CURLOPT_LOW_SPEED_TIME, (long)t->request->stall_timeout_s);
    curl->easy_setopt(t->easy, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    curl->easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    // A name server that is silent must not hold up a cancellation.
    curl->easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L);
}

// libcurl's read function.
static size_t give_file(char *bytes, size_t size, size_t count, void *context) {
    struct jf_http_transfer *t = context;
    uint64_t left = t->request->body_len - t->sent;
    size_t wanted = size * count < left ? size * count : (size_t)left;
    ssize_t got;
    do {
        got = wanted ? pread(t->request->body_fd, bytes, wanted, (off_t)t->sent) : 0;
    } while (got < 0 && errno == EINTR);
    if (got < 0 || (wanted && !got)) {
        t->refused =
            got < 0 ? jf_fail_errno(t->err, errno, "%s: read what is sent", t->request->name)
                    : jf_fail(t->err, JF_IO, "%s: what is sent became shorter", t->request->name);
        return CURL_READFUNC_ABORT;
    }
    t->sent += (uint64_t)got;
    return (size_t)got;
}

// libcurl's seek function: it sends anew.
static int seek_file(void *context, curl_off_t offset, int origin) {
    struct jf_http_transfer *t = context;
    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    t->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static void set_file(struct jf_http_transfer *t) {
    const struct jf_curl *curl = t->curl;
    t->sent = 0;
    curl->easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
    curl->easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->request->body_len);
    curl->easy_setopt(t->easy, CURLOPT_READFUNCTION, give_file);
    curl->easy_setopt(t->easy, CURLOPT_READDATA, t);
    curl->easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, seek_file);
    curl->easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
}

static void set_method(const struct jf_http_transfer *t) {
    const char *method = t->request->method;
    if (!method)
        return;
    if (strcmp(method, "HEAD") == 0)
        t->curl->easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
    else
        t->curl->easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, method);
}

// A redirect gets no body: what it holds is for the host that was asked.
static void set_body(struct jf_http_transfer *t) {
    const struct jf_http_request *request = t->request;
    if (request->has_file)
        set_file(t);
    if (!request->body || request->has_file || !t->trusted)
        return;
    t->curl->easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    t->curl->easy_setopt(t->easy, CURLOPT_POSTFIELDS, request->body);
}

static bool prepare(struct jf_http_transfer *t, char error_text[CURL_ERROR_SIZE]) {
    const struct jf_curl *curl = t->curl;
    char range[32];
    if (!add_headers(t))
        return false;
    set_trust(t);
    set_limits(t);
    set_credentials(t);
    set_body(t);
    set_method(t);
    if (t->request->offset) {
        snprintf(range, sizeof range, "%" PRIu64 "-", t->request->offset);
        curl->easy_setopt(t->easy, CURLOPT_RANGE, range);
    }
    curl->easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    curl->easy_setopt(t->easy, CURLOPT_USERAGENT, t->request->user_agent);
    curl->easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->easy_setopt(t->easy, CURLOPT_ERRORBUFFER, error_text);
    curl->easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, take_bytes);
    curl->easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    return curl->easy_setopt(t->easy, CURLOPT_URL, t->url->text) == CURLE_OK;
}

// The result.

static enum jf_code fail(struct jf_http_transfer *t, enum jf_http_outlook outlook,
                         enum jf_code code, const char *words) {
    t->outcome.outlook = outlook;
    return jf_fail(t->err, code, "%s: %s", t->request->name, words);
}

// libcurl's words do not say why the system refused.
static enum jf_code fail_connect(struct jf_http_transfer *t, const char *words) {
    long reason = 0;
    t->curl->easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &reason);
    enum jf_code code = fail(t, JF_HTTP_UNREACHABLE, JF_IO, words);
    if (reason) {
        struct jf_error whole = *t->err;
        code = jf_fail_errno(t->err, (int)reason, "%s", whole.message);
        // It is the network's, not a file's: who sees an errno looks for that here.
        t->err->sys_errno = 0;
    }
    return code;
}

static enum jf_code judge(struct jf_http_transfer *t, CURLcode result, const char *detail) {
    const char *words = detail[0] ? detail : t->curl->easy_strerror(result);
    curl_off_t connected_us = 0;
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return fail(t, JF_HTTP_UNREACHABLE, JF_IO, words);
    case CURLE_COULDNT_CONNECT:
        return fail_connect(t, words);
    case CURLE_OPERATION_TIMEDOUT:
        t->curl->easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
        return fail(t, connected_us ? JF_HTTP_PASSING : JF_HTTP_UNREACHABLE, JF_TIMEOUT, words);
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return fail(t, JF_HTTP_PASSING, JF_CLOSED, words);
    case CURLE_SSL_CONNECT_ERROR:
        t->outcome.no_tls = true;
        return fail(t, JF_HTTP_LASTING, JF_PROTOCOL, words);
    case CURLE_OUT_OF_MEMORY:
        return fail(t, JF_HTTP_LASTING, JF_LIMIT, words);
    default: // TLS, a malformed answer
        return fail(t, JF_HTTP_LASTING, JF_PROTOCOL, words);
    }
}

static enum jf_code wait_for_result(struct jf_http_transfer *t, CURLM *multi, CURLcode *ret) {
    const struct jf_curl *curl = t->curl;
    struct curl_waitfd stop = {.fd = jf_cancel_fd(t->cancel), .events = CURL_WAIT_POLLIN};
    CURLMcode failed = CURLM_OK;
    for (int running = 1; failed == CURLM_OK && running;) {
        enum jf_code code = jf_cancel_check(t->cancel, t->err);
        if (code != JF_OK)
            return code;
        failed = curl->multi_perform(multi, &running);
        if (failed == CURLM_OK && running)
            failed = curl->multi_poll(multi, &stop, 1, POLL_MS, NULL);
    }
    if (failed != CURLM_OK)
        return fail(t, JF_HTTP_LASTING, JF_LIMIT, curl->multi_strerror(failed));
    int left;
    const CURLMsg *message = curl->multi_info_read(multi, &left);
    *ret = message ? message->data.result : CURLE_OUT_OF_MEMORY;
    return JF_OK;
}

static enum jf_code take_location(struct jf_http_transfer *t) {
    const char *location = NULL; // curl's own, which goes with the handle
    t->curl->easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &location);
    t->location = location ? strdup(location) : NULL;
    if (t->location)
        return JF_OK;
    return fail(t, JF_HTTP_LASTING, JF_PROTOCOL, "the server redirects to no valid URL");
}

static enum jf_code perform(struct jf_http_transfer *t, CURLM *multi) {
    char error_text[CURL_ERROR_SIZE] = "";
    CURLcode result = CURLE_OK;
    if (!prepare(t, error_text) || t->curl->multi_add_handle(multi, t->easy) != CURLM_OK)
        return fail(t, JF_HTTP_LASTING, JF_LIMIT, "not enough memory");
    enum jf_code code = wait_for_result(t, multi, &result);
    if (code == JF_OK && result == CURLE_OK && !t->answered)
        t->refused = take_answer(t); // one without a body
    if (code == JF_OK)
        code = t->refused;
    if (code == JF_OK && result != CURLE_OK)
        code = judge(t, result, error_text);
    if (code == JF_OK && t->redirects)
        code = take_location(t);
    t->curl->multi_remove_handle(multi, t->easy);
    // Cleaning up may still write words to it.
    t->curl->easy_setopt(t->easy, CURLOPT_ERRORBUFFER, NULL);
    return code;
}

enum jf_code jf_http_transfer_run(struct jf_http_transfer *t) {
    const struct jf_curl *curl = t->curl;
    CURLM *multi = curl->multi_init();
    t->easy = curl->easy_init();
    enum jf_code code = multi && t->easy ? perform(t, multi)
                                         : fail(t, JF_HTTP_LASTING, JF_LIMIT, "not enough memory");
    curl->easy_cleanup(t->easy);
    curl->slist_free_all(t->headers);
    if (multi)
        curl->multi_cleanup(multi);
    t->easy = NULL;
    t->headers = NULL;
    return code;
}
