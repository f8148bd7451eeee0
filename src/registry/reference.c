// SPDX-License-Identifier: Apache-2.0
#include "registry/reference.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SCHEME "oci://"
#define LAYOUT "oci-layout:"
#define HUB "docker.io"
#define HUB_OFFICIAL "library/"
#define SHA256 "sha256:"
#define HEX_DIGITS 64
#define PORT_MAX 65535
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

// A part of the text that is read.
struct span {
    const char *start;
    size_t len;
};

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool copy(struct span from, char *ret, size_t size) {
    if (from.len >= size)
        return false;
    memcpy(ret, from.start, from.len);
    ret[from.len] = '\0';
    return true;
}

static const char *find(struct span in, char wanted) {
    return memchr(in.start, wanted, in.len);
}

static const char *find_last(struct span in, char wanted) {
    return memrchr(in.start, wanted, in.len);
}

// Cuts what follows `at` off; returns it without the character there.
static struct span cut(struct span *from, const char *at) {
    struct span rest = {at + 1, from->len - (size_t)(at - from->start) - 1};
    from->len = (size_t)(at - from->start);
    return rest;
}

// Names, for messages: control characters do not reach a terminal.
#define SHOWN_SIZE 80

static const char *shown(struct span part, char ret[SHOWN_SIZE]) {
    size_t len = part.len < SHOWN_SIZE - 1 ? part.len : SHOWN_SIZE - 1;
    memcpy(ret, part.start, len);
    for (size_t i = 0; i < len; i++) {
        if ((ret[i] >= 0 && ret[i] < ' ') || ret[i] == 0x7f)
            ret[i] = '?';
    }
    ret[len] = '\0';
    return ret;
}

enum jf_code jf_oci_digest_check(const char *text, const char *what, struct jf_error *err) {
    char part[SHOWN_SIZE];
    shown((struct span){text, strlen(text)}, part);
    if (!starts_with(text, SHA256)) {
        bool other = strchr(text, ':') != NULL;
        return jf_fail(err, other ? JF_UNSUPPORTED : JF_PROTOCOL,
                       other ? "%s: the digest %s is of another algorithm than sha256"
                             : "%s: %s is no digest: sha256: and 64 digits are one",
                       what, part);
    }
    const char *digits = text + strlen(SHA256);
    if (strlen(digits) == HEX_DIGITS && strspn(digits, DIGITS "abcdef") == HEX_DIGITS)
        return JF_OK;
    return jf_fail(err, JF_PROTOCOL,
                   "%s: the digest %s is malformed: sha256: and 64 digits of 0-9 and a-f are due",
                   what, part);
}

// name = component *("/" component); component = alnum *(separator alnum), the
// separators being ".", "_", "__" and any number of "-".

static size_t separator_length(const char *text, size_t len) {
    size_t dashes = 0;
    while (dashes < len && text[dashes] == '-')
        dashes++;
    if (dashes || !len)
        return dashes;
    if (text[0] == '.')
        return 1;
    if (text[0] != '_')
        return 0;
    return len > 1 && text[1] == '_' ? 2 : 1;
}

static size_t word_length(const char *text, size_t len) {
    size_t count = 0;
    while (count < len && text[count] && strchr(LOWER DIGITS, text[count]))
        count++;
    return count;
}

static bool is_component(struct span part) {
    const char *text = part.start;
    size_t left = part.len;
    for (;;) {
        size_t word = word_length(text, left);
        text += word;
        left -= word;
        if (!word || !left)
            return word && !left;
        size_t separator = separator_length(text, left);
        if (!separator)
            return false;
        text += separator;
        left -= separator;
    }
}

static bool is_name(struct span name) {
    for (;;) {
        const char *slash = find(name, '/');
        struct span part = name;
        struct span rest = {0};
        if (slash)
            rest = cut(&part, slash);
        if (!is_component(part))
            return false;
        if (!slash)
            return true;
        name = rest;
    }
}

static bool is_port(struct span port) {
    unsigned value = 0;
    if (!port.len || port.len > 5)
        return false;
    for (size_t i = 0; i < port.len; i++) {
        if (!strchr(DIGITS, port.start[i]) || !port.start[i])
            return false;
        value = value * 10 + (unsigned)(port.start[i] - '0');
    }
    return value > 0 && value <= PORT_MAX;
}

static bool is_bracketed(struct span host) {
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    return host.len > 2 && host.start[0] == '[' && host.start[host.len - 1] == ']' &&
           copy((struct span){host.start + 1, host.len - 2}, text, sizeof text) &&
           inet_pton(AF_INET6, text, &address) == 1;
}

// A label has letters, digits and inner hyphens.
static bool is_label(struct span label) {
    if (!label.len || label.start[0] == '-' || label.start[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        if (!label.start[i] || !strchr(LOWER UPPER DIGITS "-", label.start[i]))
            return false;
    }
    return true;
}

static bool is_host_name(struct span host) {
    bool good = host.len <= 255;
    for (const char *dot = find(host, '.'); good && dot; dot = find(host, '.')) {
        struct span label = host;
        host = cut(&label, dot);
        good = is_label(label);
    }
    return good && is_label(host);
}

static bool is_host(struct span host) {
    const char *bracket = find_last(host, ']');
    const char *colon = find_last(host, ':');
    if (colon && (!bracket || colon > bracket) && !is_port(cut(&host, colon)))
        return false;
    return is_bracketed(host) || is_host_name(host);
}

// As Docker tells a host from a user's name at Docker Hub.
static bool looks_like_host(struct span first) {
    if (find(first, '.') || find(first, ':') || first.start[0] == '[')
        return true;
    if (first.len == strlen("localhost") && memcmp(first.start, "localhost", first.len) == 0)
        return true;
    for (size_t i = 0; i < first.len; i++) {
        if (strchr(UPPER, first.start[i]))
            return true;
    }
    return false;
}

static bool is_hub(struct span host) {
    static const char *const aliases[] = {HUB, "index.docker.io", "registry-1.docker.io"};
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (host.len == strlen(aliases[i]) && strncasecmp(host.start, aliases[i], host.len) == 0)
            return true;
    }
    return false;
}

static bool is_tag(struct span tag) {
    if (!tag.len || tag.len >= JF_REFERENCE_TAG_SIZE || strchr(".-", tag.start[0]))
        return false;
    for (size_t i = 0; i < tag.len; i++) {
        if (!tag.start[i] || !strchr(LOWER UPPER DIGITS "._-", tag.start[i]))
            return false;
    }
    return true;
}

// The parts.

static enum jf_code take_digest(struct span *text, const char *what, struct jf_reference *reference,
                                struct jf_error *err) {
    const char *at = find_last(*text, '@');
    char digest[512];
    if (!at)
        return JF_OK;
    if (!copy(cut(text, at), digest, sizeof digest))
        return jf_fail(err, JF_PROTOCOL, "%s: the digest is too long", what);
    enum jf_code code = jf_oci_digest_check(digest, what, err);
    if (code == JF_OK)
        memcpy(reference->digest, digest, JF_DIGEST_SIZE);
    return code;
}

static enum jf_code take_tag(struct span *text, const char *what, struct jf_reference *reference,
                             struct jf_error *err) {
    const char *slash = find_last(*text, '/');
    const char *colon = find_last(*text, ':');
    char part[SHOWN_SIZE];
    if (colon && (!slash || colon > slash)) {
        struct span tag = cut(text, colon);
        if (!is_tag(tag))
            return jf_fail(err, JF_PROTOCOL,
                           "%s: \"%s\" is no tag: 1 to 128 letters, digits and ._- are one, which "
                           "starts with a letter, a digit or _",
                           what, shown(tag, part));
        copy(tag, reference->tag, sizeof reference->tag);
    }
    return JF_OK;
}

static void default_tag(struct jf_reference *reference) {
    if (!reference->tag[0] && !reference->digest[0])
        strcpy(reference->tag, "latest");
}

static enum jf_code take_host(struct span *text, const char *what, struct jf_reference *reference,
                              struct jf_error *err) {
    const char *slash = find(*text, '/');
    struct span host = {HUB, strlen(HUB)};
    char part[SHOWN_SIZE];
    if (slash) {
        struct span first = *text;
        struct span rest = cut(&first, slash);
        if (looks_like_host(first) || !first.len) {
            host = first;
            *text = rest;
        }
    }
    if (!is_host(host))
        return jf_fail(err, JF_PROTOCOL, "%s: \"%s\" is no host name, with or without a port", what,
                       shown(host, part));
    if (is_hub(host))
        host = (struct span){HUB, strlen(HUB)};
    if (!copy(host, reference->host, sizeof reference->host))
        return jf_fail(err, JF_PROTOCOL, "%s: the host name is too long", what);
    return JF_OK;
}

static enum jf_code take_name(struct span text, const char *what, struct jf_reference *reference,
                              struct jf_error *err) {
    char part[SHOWN_SIZE];
    bool official = strcmp(reference->host, HUB) == 0 && !find(text, '/');
    size_t prefix = official ? strlen(HUB_OFFICIAL) : 0;
    if (!is_name(text))
        return jf_fail(err, JF_PROTOCOL,
                       "%s: \"%s\" is no name of a repository: words of lower-case letters and "
                       "digits, joined by /, ., _, __ or -, are one",
                       what, shown(text, part));
    if (prefix + text.len >= sizeof reference->name)
        return jf_fail(err, JF_PROTOCOL, "%s: the repository's name has more than %zu characters",
                       what, sizeof reference->name - 1);
    memcpy(reference->name, HUB_OFFICIAL, prefix);
    copy(text, reference->name + prefix, sizeof reference->name - prefix);
    return JF_OK;
}

static enum jf_code parse_registry(struct span text, const char *what,
                                   struct jf_reference *reference, struct jf_error *err) {
    enum jf_code code = take_digest(&text, what, reference, err);
    if (code == JF_OK)
        code = take_host(&text, what, reference, err);
    if (code == JF_OK)
        code = take_tag(&text, what, reference, err);
    if (code == JF_OK)
        code = take_name(text, what, reference, err);
    if (code == JF_OK)
        default_tag(reference);
    return code;
}

static enum jf_code take_path(struct span text, const char *what, struct jf_reference *reference,
                              struct jf_error *err) {
    if (text.len && copy(text, reference->path, sizeof reference->path))
        return JF_OK;
    return jf_fail(err, JF_PROTOCOL,
                   text.len ? "%s: the path is too long" : "%s: no folder is named", what);
}

static enum jf_code parse_layout(struct span text, const char *what, struct jf_reference *reference,
                                 struct jf_error *err) {
    reference->kind = JF_REFERENCE_LAYOUT;
    const char *at = find_last(text, '@');
    enum jf_code code = JF_OK;
    if (at && starts_with(at + 1, SHA256))
        code = take_digest(&text, what, reference, err);
    if (code == JF_OK)
        code = take_tag(&text, what, reference, err);
    return code == JF_OK ? take_path(text, what, reference, err) : code;
}

static bool is_directory(const char *text) {
    return strcmp(text, ".") == 0 || strcmp(text, "..") == 0 || text[0] == '/' ||
           starts_with(text, "./") || starts_with(text, "../") || starts_with(text, "~/");
}

enum jf_code jf_reference_parse(const char *text, struct jf_reference *ret_reference,
                                struct jf_error *err) {
    char what[SHOWN_SIZE];
    *ret_reference = (struct jf_reference){0};
    struct span rest = {text, strlen(text)};
    shown(rest, what);
    if (starts_with(text, LAYOUT)) {
        size_t prefix = strlen(LAYOUT);
        return parse_layout((struct span){text + prefix, rest.len - prefix}, what, ret_reference,
                            err);
    }
    if (is_directory(text)) {
        ret_reference->kind = JF_REFERENCE_DIRECTORY;
        return take_path(rest, what, ret_reference, err);
    }
    if (starts_with(text, SCHEME))
        rest = (struct span){text + strlen(SCHEME), rest.len - strlen(SCHEME)};
    else if (strstr(text, "://"))
        return jf_fail(err, JF_PROTOCOL,
                       "%s: a reference to a registry begins with oci://, or with "
                       "the registry's host",
                       what);
    if (!rest.len)
        return jf_fail(err, JF_PROTOCOL, "an empty text is no reference");
    return parse_registry(rest, what, ret_reference, err);
}

void jf_reference_text(const struct jf_reference *reference, char ret[JF_REFERENCE_TEXT_SIZE]) {
    const char *colon = reference->tag[0] ? ":" : "";
    const char *at = reference->digest[0] ? "@" : "";
    if (reference->kind == JF_REFERENCE_REGISTRY)
        snprintf(ret, JF_REFERENCE_TEXT_SIZE, SCHEME "%s/%s%s%s%s%s", reference->host,
                 reference->name, colon, reference->tag, at, reference->digest);
    else
        snprintf(ret, JF_REFERENCE_TEXT_SIZE, "%s%s%s%s%s%s",
                 reference->kind == JF_REFERENCE_LAYOUT ? LAYOUT : "", reference->path, colon,
                 reference->tag, at, reference->digest);
}

bool jf_reference_is_local(const char *host) {
    char name[JF_REFERENCE_HOST_SIZE];
    struct in_addr address;
    if (starts_with(host, "[::1]"))
        return true;
    snprintf(name, sizeof name, "%s", host);
    name[strcspn(name, ":")] = '\0';
    if (strcasecmp(name, "localhost") == 0)
        return true;
    return inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}
