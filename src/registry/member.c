// SPDX-License-Identifier: Apache-2.0
//
// A member is a download whose getter reads an archive instead of a server.
#include "registry/member.h"

#include <fnmatch.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES ((size_t)256 << 10)
// As HTTP would say it.
#define SEVERAL 300
#define NOT_FOUND 404
#define LISTED_SIZE 400 // characters of names in a message

struct member {
    atomic_uint references;
    struct jf_archive_options archive; // with strings of its own
    char *pattern;                     // NULL: the only file
};

// What is seen on the way.
struct walk {
    const struct member *member;
    struct jf_archive *archive;
    const struct jf_http_taker *taker;
    unsigned files;          // that fit
    char names[LISTED_SIZE]; // of those that fit; when none does, of all
    char *piece;
};

static void list(char names[LISTED_SIZE], const char *name) {
    size_t used = strlen(names);
    if (used + strlen(name) + sizeof ", …" < LISTED_SIZE)
        snprintf(names + used, LISTED_SIZE - used, "%s%s", used ? ", " : "", name);
    else if (used < LISTED_SIZE - sizeof ", …" && !strstr(names, "…"))
        snprintf(names + used, LISTED_SIZE - used, ", …");
}

bool jf_member_fits(const char *pattern, const char *name) {
    const char *last = strrchr(name, '/');
    if (!pattern)
        return true;
    if (pattern[0] == '/')
        pattern++; // names in layers have no beginning slash
    return fnmatch(pattern, name, FNM_PATHNAME) == 0 ||
           fnmatch(pattern, last ? last + 1 : name, FNM_PATHNAME) == 0;
}

static enum jf_code give(struct walk *walk, const struct jf_archive_entry *entry,
                         struct jf_error *err) {
    const struct jf_http_answer answer = {.status = 200, .length = (int64_t)entry->size};
    enum jf_code code = walk->taker->on_answer(walk->taker->context, &answer, err);
    while (code == JF_OK) {
        size_t len;
        code = jf_archive_read(walk->archive, walk->piece, PIECE_BYTES, &len, err);
        if (code != JF_OK || !len)
            return code;
        code = walk->taker->on_bytes(walk->taker->context, walk->piece, len, err);
    }
    return code;
}

static enum jf_code look(struct walk *walk, const struct jf_archive_entry *entry,
                         struct jf_error *err) {
    if (entry->kind != JF_ARCHIVE_FILE)
        return JF_OK;
    bool fit = jf_member_fits(walk->member->pattern, entry->name);
    if (fit && walk->files++ == 0)
        walk->names[0] = '\0';
    if (fit || !walk->files)
        list(walk->names, entry->name);
    return fit && walk->files == 1 ? give(walk, entry, err) : JF_OK;
}

static enum jf_code check_count(const struct walk *walk, struct jf_http_outcome *outcome,
                                struct jf_error *err) {
    const char *name = walk->member->archive.name, *pattern = walk->member->pattern;
    if (walk->files == 1)
        return JF_OK;
    outcome->status = walk->files ? SEVERAL : NOT_FOUND;
    if (walk->files && pattern)
        return jf_fail(err, JF_PROTOCOL, "%s: several files fit \"%s\": %s", name, pattern,
                       walk->names);
    if (walk->files)
        return jf_fail(err, JF_PROTOCOL, "%s: has several files: %s", name, walk->names);
    if (pattern)
        return jf_fail(err, JF_PROTOCOL, "%s: no file fits \"%s\"; it has %s", name, pattern,
                       walk->names[0] ? walk->names : "none");
    return jf_fail(err, JF_PROTOCOL, "%s: has no file", name);
}

static enum jf_code walk_through(struct walk *walk, struct jf_http_outcome *outcome,
                                 struct jf_error *err) {
    for (;;) {
        struct jf_archive_entry entry;
        bool end;
        enum jf_code code = jf_archive_next(walk->archive, &entry, &end, err);
        if (code == JF_OK && end)
            code = jf_archive_finish(walk->archive, err);
        if (code == JF_OK && end)
            return check_count(walk, outcome, err);
        if (code == JF_OK)
            code = look(walk, &entry, err);
        if (code != JF_OK)
            return code;
    }
}

static enum jf_code member_get(void *owner, const struct jf_curl *curl,
                               const struct jf_http_request *request,
                               const struct jf_http_taker *taker, const struct jf_cancel *cancel,
                               struct jf_http_outcome *ret_outcome, struct jf_error *err) {
    const struct member *member = owner;
    struct jf_archive_options options = member->archive;
    struct walk walk = {.member = member, .taker = taker, .piece = malloc(PIECE_BYTES)};
    (void)curl;
    (void)request;
    *ret_outcome = (struct jf_http_outcome){.outlook = JF_HTTP_LASTING, .retry_after_s = -1};
    options.cancel = cancel;
    enum jf_code code = walk.piece ? jf_archive_open(&options, &walk.archive, err)
                                   : jf_fail(err, JF_LIMIT, "not enough memory");
    if (code == JF_OK)
        code = walk_through(&walk, ret_outcome, err);
    jf_archive_close(walk.archive);
    free(walk.piece);
    return code;
}

static void member_ref(void *owner) {
    struct member *member = owner;
    atomic_fetch_add(&member->references, 1);
}

static void member_unref(void *owner) {
    struct member *member = owner;
    if (atomic_fetch_sub(&member->references, 1) != 1)
        return;
    if (member->archive.growing.owner)
        member->archive.growing.unref(member->archive.growing.owner);
    free((char *)member->archive.name);
    free((char *)member->archive.path);
    free((char *)member->archive.sha256);
    free(member->pattern);
    free(member);
}

static struct member *new_member(const struct jf_member_options *options) {
    struct member *member = calloc(1, sizeof *member);
    if (!member)
        return NULL;
    const struct jf_archive_options *archive = &options->archive;
    atomic_init(&member->references, 1);
    member->archive = *archive;
    member->archive.name = strdup(archive->name);
    member->archive.path = archive->path ? strdup(archive->path) : NULL;
    member->archive.sha256 = archive->sha256 ? strdup(archive->sha256) : NULL;
    member->pattern = options->pattern ? strdup(options->pattern) : NULL;
    if (archive->growing.owner)
        archive->growing.ref(archive->growing.owner);
    if (member->archive.name && !member->archive.path == !archive->path &&
        !member->archive.sha256 == !archive->sha256 && !member->pattern == !options->pattern)
        return member;
    member_unref(member);
    return NULL;
}

enum jf_code jf_member_start(const struct jf_member_options *options,
                             struct jf_download **ret_download, struct jf_error *err) {
    struct member *member = new_member(options);
    if (!member)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    const struct jf_download_options download = {
        .request = {.name = options->archive.name, .url = ""},
        .file = options->file,
        .getter = {member_get, member_ref, member_unref, member},
        .to_the_end = true,
    };
    enum jf_code code = jf_download_start(&download, ret_download, err);
    member_unref(member);
    return code;
}
