// SPDX-License-Identifier: Apache-2.0
#include "net/http_url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A part as curl returns it (free with curl->free), or NULL when there is none.
static char *part(const struct jf_curl *curl, CURLU *handle, CURLUPart what, unsigned flags) {
    char *text = NULL;
    return curl->url_get(handle, what, &text, flags) == CURLUE_OK ? text : NULL;
}

static bool read_origin(const struct jf_curl *curl, CURLU *handle, struct jf_http_url *url) {
    char *scheme = part(curl, handle, CURLUPART_SCHEME, 0);
    char *host = part(curl, handle, CURLUPART_HOST, 0);
    char *port = part(curl, handle, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    bool whole = scheme && host && port;
    if (whole) {
        url->secure = strcmp(scheme, "https") == 0;
        whole = (url->secure || strcmp(scheme, "http") == 0) &&
                asprintf(&url->origin, "%s://%s:%s", scheme, host, port) >= 0;
    }
    curl->free(scheme);
    curl->free(host);
    curl->free(port);
    return whole;
}

static void take_apart(const struct jf_curl *curl, CURLU *handle, struct jf_http_url *url) {
    url->user = part(curl, handle, CURLUPART_USER, CURLU_URLDECODE);
    url->password = part(curl, handle, CURLUPART_PASSWORD, CURLU_URLDECODE);
    curl->url_set(handle, CURLUPART_USER, NULL, 0);
    curl->url_set(handle, CURLUPART_PASSWORD, NULL, 0);
    curl->url_set(handle, CURLUPART_FRAGMENT, NULL, 0);
    url->text = part(curl, handle, CURLUPART_URL, 0);
    curl->url_set(handle, CURLUPART_QUERY, NULL, 0);
    url->shown = part(curl, handle, CURLUPART_URL, 0);
}

enum jf_code jf_http_url_parse(const struct jf_curl *curl, const char *text,
                               struct jf_http_url *ret_url, struct jf_error *err) {
    *ret_url = (struct jf_http_url){0};
    CURLU *handle = curl->url();
    if (!handle)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    enum jf_code code = JF_OK;
    CURLUcode failed = curl->url_set(handle, CURLUPART_URL, text, 0);
    if (failed == CURLUE_UNSUPPORTED_SCHEME ||
        (failed == CURLUE_OK && !read_origin(curl, handle, ret_url)))
        code = jf_fail(err, JF_UNSUPPORTED, "only http:// and https:// can be fetched");
    else if (failed != CURLUE_OK)
        code = jf_fail(err, JF_PROTOCOL, "the URL is malformed");
    if (code == JF_OK) {
        take_apart(curl, handle, ret_url);
        if (!ret_url->text || !ret_url->shown)
            code = jf_fail(err, JF_PROTOCOL, "the URL is malformed");
    }
    curl->url_cleanup(handle);
    if (code != JF_OK)
        jf_http_url_free(curl, ret_url);
    return code;
}

void jf_http_url_free(const struct jf_curl *curl, struct jf_http_url *url) {
    if (url->password)
        explicit_bzero(url->password, strlen(url->password));
    curl->free(url->text);
    curl->free(url->shown);
    curl->free(url->user);
    curl->free(url->password);
    free(url->origin);
    *url = (struct jf_http_url){0};
}
