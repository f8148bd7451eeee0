// SPDX-License-Identifier: Apache-2.0
#include "registry/auth_file.h"

#include <gnutls/gnutls.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HUB "docker.io"
#define PLACE_SIZE 768

static void free_secret(char **text) {
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void jf_credentials_free(struct jf_credentials *credentials) {
    free_secret(&credentials->user);
    free_secret(&credentials->password);
    free_secret(&credentials->identity_token);
}

void jf_auth_entry_free(struct jf_auth_entry *entry) {
    jf_credentials_free(&entry->credentials);
    free(entry->key);
    *entry = (struct jf_auth_entry){0};
}

// Keys.

static bool is_hub(const char *host, size_t len) {
    static const char *const aliases[] = {HUB, "index.docker.io", "registry-1.docker.io"};
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (len == strlen(aliases[i]) && strncasecmp(host, aliases[i], len) == 0)
            return true;
    }
    return false;
}

// A key as host[/path]: Docker's old keys are URLs ("https://index.docker.io/v1/"), of
// which only the host counts. False when it is too long to be any.
static bool normalise(const char *key, char ret[PLACE_SIZE]) {
    const char *scheme = strstr(key, "://");
    const char *host = scheme ? scheme + 3 : key;
    size_t host_len = strcspn(host, "/");
    const char *path = host + host_len;
    size_t path_len = scheme ? 0 : strlen(path);
    while (path_len && path[path_len - 1] == '/')
        path_len--;
    const char *name = is_hub(host, host_len) ? HUB : host;
    size_t name_len = name == host ? host_len : strlen(HUB);
    if (name_len + path_len >= PLACE_SIZE)
        return false;
    memcpy(ret, name, name_len);
    memcpy(ret + name_len, path, path_len);
    ret[name_len + path_len] = '\0';
    return true;
}

// How much of `place` the key covers: whole components; 0 when it does not.
static size_t coverage(const char *key, const char *place) {
    char own[PLACE_SIZE];
    if (!normalise(key, own))
        return 0;
    size_t len = strlen(own);
    if (!len || strncmp(place, own, len) != 0)
        return 0;
    return !place[len] || place[len] == '/' ? len : 0;
}

// The member of `object` whose key covers the most of `place`.
static const char *best_key(json_t *object, const char *place, size_t *ret_covered) {
    const char *best = NULL;
    *ret_covered = 0;
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        size_t covered = coverage(key, place);
        if (covered > *ret_covered) {
            best = key;
            *ret_covered = covered;
        }
    }
    return best;
}

// Entries.

static bool duplicate(const char *text, char **ret) {
    *ret = strdup(text);
    return *ret != NULL;
}

// base64 of "user:password".
static enum jf_code take_auth(const char *auth, struct jf_credentials *ret, struct jf_error *err) {
    const gnutls_datum_t encoded = {(unsigned char *)auth, (unsigned)strlen(auth)};
    gnutls_datum_t decoded = {0};
    if (gnutls_base64_decode2(&encoded, &decoded) != 0)
        return jf_fail(err, JF_PROTOCOL, "its auth is not base64");
    char *text = (char *)decoded.data;
    char *colon = memchr(text, ':', decoded.size);
    enum jf_code code = JF_OK;
    if (!colon || memchr(text, '\0', decoded.size)) {
        code = jf_fail(err, JF_PROTOCOL, "its auth is not the base64 text of USER:PASSWORD");
    } else {
        ret->user = strndup(text, (size_t)(colon - text));
        ret->password = strndup(colon + 1, decoded.size - (size_t)(colon - text) - 1);
        if (!ret->user || !ret->password)
            code = jf_fail(err, JF_LIMIT, "not enough memory");
    }
    explicit_bzero(decoded.data, decoded.size);
    gnutls_free(decoded.data);
    return code;
}

static const char *text_of(const json_t *entry, const char *key) {
    const char *text = json_string_value(json_object_get(entry, key));
    return text && text[0] ? text : NULL;
}

static enum jf_code take_entry(const json_t *entry, struct jf_credentials *ret,
                               struct jf_error *err) {
    const char *auth = text_of(entry, "auth");
    const char *user = text_of(entry, "username");
    const char *password = text_of(entry, "password");
    const char *token = text_of(entry, "identitytoken");
    if (token && !duplicate(token, &ret->identity_token))
        return jf_fail(err, JF_LIMIT, "not enough memory");
    if (auth)
        return take_auth(auth, ret, err);
    if (!user && !password)
        return JF_OK;
    if (!user || !password)
        return jf_fail(err, JF_PROTOCOL, "it has a username without a password, or the reverse");
    if (!duplicate(user, &ret->user) || !duplicate(password, &ret->password))
        return jf_fail(err, JF_LIMIT, "not enough memory");
    return JF_OK;
}

// The name becomes part of a program's name.
static enum jf_code take_helper(const char *helper, struct jf_auth_entry *ret,
                                struct jf_error *err) {
    size_t len = strlen(helper);
    if (!len || len >= sizeof ret->helper ||
        strspn(helper, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-") != len)
        return jf_fail(err, JF_PROTOCOL,
                       "the helper's name has other characters than letters, "
                       "digits, '.', '_' and '-', or is too long");
    memcpy(ret->helper, helper, len + 1);
    return JF_OK;
}

static bool is_empty(const struct jf_credentials *credentials) {
    return !credentials->user && !credentials->identity_token;
}

static enum jf_code find_in(const json_t *root, const char *place, struct jf_auth_entry *entry,
                            struct jf_error *err) {
    json_t *auths = json_object_get(root, "auths");
    json_t *helpers = json_object_get(root, "credHelpers");
    const char *store = text_of(root, "credsStore");
    size_t auth_covers;
    size_t helper_covers;
    const char *auth_key = best_key(auths, place, &auth_covers);
    const char *helper_key = best_key(helpers, place, &helper_covers);
    enum jf_code code = JF_OK;
    if (helper_key && helper_covers >= auth_covers) {
        const char *helper = text_of(helpers, helper_key);
        code = helper ? take_helper(helper, entry, err)
                      : jf_fail(err, JF_PROTOCOL, "the helper's name is no text");
        auth_key = helper_key;
    } else if (auth_key) {
        code = take_entry(json_object_get(auths, auth_key), &entry->credentials, err);
    }
    // With a store, entries stand under "auths" too, but empty.
    if (code == JF_OK && store && !entry->helper[0] && is_empty(&entry->credentials)) {
        code = take_helper(store, entry, err);
        auth_key = "credsStore";
    }
    if (code != JF_OK)
        return jf_prefix(err, "the entry for %s", auth_key);
    if (is_empty(&entry->credentials) && !entry->helper[0])
        return JF_OK;
    return duplicate(auth_key, &entry->key) ? JF_OK : jf_fail(err, JF_LIMIT, "not enough memory");
}

enum jf_code jf_auth_file_find(const char *text, size_t len, const char *name, const char *host,
                               const char *repository, struct jf_auth_entry *ret_entry,
                               struct jf_error *err) {
    char place[PLACE_SIZE];
    json_error_t where;
    struct jf_auth_entry entry = {0};
    *ret_entry = entry;
    if (len > JF_AUTH_FILE_LIMIT)
        return jf_fail(err, JF_LIMIT, "%s: has more than %zu bytes", name, JF_AUTH_FILE_LIMIT);
    bool hub = is_hub(host, strlen(host));
    int needed = snprintf(place, sizeof place, "%s%s%s", hub ? HUB : host, repository[0] ? "/" : "",
                          repository);
    if (needed < 0 || (size_t)needed >= sizeof place)
        return jf_fail(err, JF_LIMIT, "the name of the repository is too long");
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    if (!root) // jansson's words may quote the file
        return jf_fail(err, JF_PROTOCOL,
                       "%s: line %d, column %d: not the JSON of a credential file", name,
                       where.line, where.column);
    enum jf_code code = json_is_object(root) ? find_in(root, place, &entry, err)
                                             : jf_fail(err, JF_PROTOCOL, "an object was expected");
    json_decref(root);
    if (code == JF_OK) {
        *ret_entry = entry;
        return JF_OK;
    }
    jf_auth_entry_free(&entry);
    return jf_prefix(err, "%s", name);
}
