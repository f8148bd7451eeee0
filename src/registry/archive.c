// SPDX-License-Identifier: Apache-2.0
#include "registry/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "registry/archive_lib.h"
#include "registry/place.h"
#include "sys/fd.h"

#define INPUT_BYTES ((size_t)256 << 10)
#define PIECE_BYTES ((size_t)64 << 10)
// More entries than any layer has that holds a bundle or an image.
#define MOST_ENTRIES 200000

struct jf_archive {
    struct jf_archive_lib lib;
    struct archive *reader;
    char *name;
    struct jf_growing growing;
    int fd; // -1: it is `growing` that is read
    const struct jf_cancel *cancel;
    struct jf_digest *digest; // of the source, up to `offset`; NULL: not wanted
    char sha256[JF_SHA256_HEX_SIZE];
    uint64_t limit;
    uint64_t offset;    // of the source, up to which it was read
    uint64_t unpacked;  // bytes of content so far
    uint64_t entry_end; // where `unpacked` has to be behind the present entry
    unsigned entries;
    char entry_name[JF_PLACE_NAME_MAX + 1];
    struct jf_error failure; // the source's
    unsigned char input[INPUT_BYTES];
};

// The source.

static enum jf_code read_file(struct jf_archive *archive, size_t *ret_len, struct jf_error *err) {
    ssize_t got;
    enum jf_code code = jf_cancel_check(archive->cancel, err);
    if (code != JF_OK)
        return code;
    do {
        got = read(archive->fd, archive->input, sizeof archive->input);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return jf_fail_errno(err, errno, "%s: read", archive->name);
    *ret_len = (size_t)got;
    return JF_OK;
}

static enum jf_code read_input(struct jf_archive *archive, size_t *ret_len, struct jf_error *err) {
    const struct jf_growing *growing = &archive->growing;
    *ret_len = 0;
    enum jf_code code = archive->fd >= 0 ? read_file(archive, ret_len, err)
                                         : growing->read(growing->owner, archive->offset,
                                                         archive->input, sizeof archive->input,
                                                         JF_NEVER, archive->cancel, ret_len, err);
    archive->offset += *ret_len;
    if (archive->digest)
        jf_digest_update(archive->digest, archive->input, *ret_len);
    return code;
}

// libarchive's reader.
static la_ssize_t give_input(struct archive *reader, void *context, const void **ret_bytes) {
    struct jf_archive *archive = context;
    size_t len;
    *ret_bytes = archive->input;
    if (read_input(archive, &len, &archive->failure) == JF_OK)
        return (la_ssize_t)len;
    archive->lib.set_error(reader, EIO, "%s", archive->failure.message);
    return -1;
}

// Errors: the source's own come first.

static enum jf_code fail_damaged(struct jf_archive *archive, struct jf_error *err) {
    const char *words = archive->lib.error_string(archive->reader);
    if (archive->failure.code != JF_OK) {
        *err = archive->failure;
        return err->code;
    }
    return jf_fail(err, JF_PROTOCOL, "%s: is no sound tar archive: %s", archive->name,
                   words ? words : "it cannot be read");
}

static enum jf_code fail_limit(const struct jf_archive *archive, struct jf_error *err) {
    return jf_fail(err, JF_LIMIT, "%s: unpacks to more than the %" PRIu64 " bytes that are allowed",
                   archive->name, archive->limit);
}

// What the decompressor gave out counts, whether it is content or not.
static enum jf_code check_limit(const struct jf_archive *archive, struct jf_error *err) {
    la_int64_t decoded = archive->lib.filter_bytes(archive->reader, 0);
    // Headers and padding come on top: half a kibibyte each at least.
    uint64_t allowed = archive->limit + ((uint64_t)16 << 20);
    if (archive->unpacked > archive->limit || (decoded > 0 && (uint64_t)decoded > allowed))
        return fail_limit(archive, err);
    return JF_OK;
}

// Opening.

static enum jf_code open_reader(struct jf_archive *archive, struct jf_error *err) {
    const struct jf_archive_lib *lib = &archive->lib;
    archive->reader = lib->read_new();
    if (!archive->reader)
        return jf_fail(err, JF_LIMIT, "not enough memory");
    lib->read_support_filter_gzip(archive->reader);
    lib->read_support_filter_zstd(archive->reader);
    lib->read_support_format_tar(archive->reader);
    lib->read_support_format_gnutar(archive->reader);
    if (lib->read_open(archive->reader, archive, NULL, give_input, NULL) != ARCHIVE_OK)
        return fail_damaged(archive, err);
    return JF_OK;
}

static enum jf_code expect_digest(struct jf_archive *archive, const char *sha256,
                                  struct jf_error *err) {
    if (!sha256)
        return JF_OK;
    snprintf(archive->sha256, sizeof archive->sha256, "%s", sha256);
    archive->digest = jf_digest_new();
    return archive->digest ? JF_OK : jf_fail(err, JF_LIMIT, "not enough memory");
}

static enum jf_code open_source(struct jf_archive *archive,
                                const struct jf_archive_options *options, struct jf_error *err) {
    if (!options->path) {
        archive->growing = options->growing;
        archive->growing.ref(archive->growing.owner);
        return JF_OK;
    }
    archive->fd = open(options->path, O_RDONLY | O_CLOEXEC);
    if (archive->fd < 0)
        return jf_fail_errno(err, errno, "%s: open", options->path);
    return JF_OK;
}

enum jf_code jf_archive_open(const struct jf_archive_options *options,
                             struct jf_archive **ret_archive, struct jf_error *err) {
    struct jf_archive *archive = calloc(1, sizeof *archive);
    char *name = strdup(options->name);
    if (!archive || !name) {
        free(archive);
        free(name);
        return jf_fail(err, JF_LIMIT, "not enough memory");
    }
    archive->fd = -1;
    archive->name = name;
    archive->limit = options->limit_bytes;
    archive->cancel = options->cancel;
    enum jf_code code = jf_archive_load(&archive->lib, err);
    if (code == JF_OK)
        code = expect_digest(archive, options->sha256, err);
    if (code == JF_OK)
        code = open_source(archive, options, err);
    if (code == JF_OK)
        code = open_reader(archive, err);
    if (code == JF_OK)
        *ret_archive = archive;
    else
        jf_archive_close(archive);
    return code;
}

void jf_archive_close(struct jf_archive *archive) {
    if (!archive)
        return;
    if (archive->reader)
        archive->lib.read_free(archive->reader);
    if (archive->growing.owner)
        archive->growing.unref(archive->growing.owner);
    jf_fd_close(&archive->fd);
    jf_archive_unload(&archive->lib);
    jf_digest_free(archive->digest);
    free(archive->name);
    free(archive);
}

// Entries.

// "./a/b/" is "a/b"; "." and "./" are the root.
static enum jf_code take_name(struct jf_archive *archive, const char *name, struct jf_error *err) {
    if (!name)
        return jf_fail(err, JF_PROTOCOL, "%s: an entry has no name", archive->name);
    while (name[0] == '.' && name[1] == '/')
        name += 2;
    size_t len = strlen(name);
    while (len && name[len - 1] == '/' && len > 1)
        len--;
    if (len > JF_PLACE_NAME_MAX)
        return jf_fail(err, JF_PROTOCOL, "%s: an entry's name has more than %d characters",
                       archive->name, JF_PLACE_NAME_MAX);
    memcpy(archive->entry_name, name, len);
    archive->entry_name[len] = '\0';
    if (!len || strcmp(archive->entry_name, ".") == 0) {
        archive->entry_name[0] = '\0';
        return JF_OK;
    }
    enum jf_code code = jf_place_check(archive->entry_name, err);
    return code == JF_OK ? code : jf_prefix(err, "%s", archive->name);
}

static enum jf_archive_kind kind_of(const struct jf_archive *archive, struct archive_entry *entry) {
    if (archive->lib.entry_hardlink(entry))
        return JF_ARCHIVE_HARDLINK;
    switch (archive->lib.entry_filetype(entry)) {
    case AE_IFREG:
        return JF_ARCHIVE_FILE;
    case AE_IFDIR:
        return JF_ARCHIVE_FOLDER;
    case AE_IFLNK:
        return JF_ARCHIVE_SYMLINK;
    default:
        return JF_ARCHIVE_OTHER;
    }
}

static enum jf_code take_entry(struct jf_archive *archive, struct archive_entry *entry,
                               struct jf_archive_entry *ret, struct jf_error *err) {
    enum jf_code code = take_name(archive, archive->lib.entry_pathname(entry), err);
    if (code != JF_OK)
        return code;
    la_int64_t size = archive->lib.entry_size(entry);
    *ret = (struct jf_archive_entry){.kind = kind_of(archive, entry), .name = archive->entry_name};
    if (ret->kind == JF_ARCHIVE_HARDLINK)
        ret->target = archive->lib.entry_hardlink(entry);
    else if (ret->kind == JF_ARCHIVE_SYMLINK)
        ret->target = archive->lib.entry_symlink(entry);
    if (ret->kind == JF_ARCHIVE_FILE && size > 0)
        ret->size = (uint64_t)size;
    if (ret->size > archive->limit || archive->unpacked > archive->limit - ret->size)
        return fail_limit(archive, err);
    archive->entry_end = archive->unpacked + ret->size;
    return JF_OK;
}

static enum jf_code pass_over(struct jf_archive *archive, struct jf_error *err) {
    char piece[PIECE_BYTES];
    for (;;) {
        size_t len;
        enum jf_code code = jf_archive_read(archive, piece, sizeof piece, &len, err);
        if (code != JF_OK || !len)
            return code;
    }
}

enum jf_code jf_archive_next(struct jf_archive *archive, struct jf_archive_entry *ret_entry,
                             bool *ret_end, struct jf_error *err) {
    struct archive_entry *entry;
    *ret_end = false;
    enum jf_code code = archive->entries ? pass_over(archive, err) : JF_OK;
    if (code == JF_OK)
        code = check_limit(archive, err);
    if (code != JF_OK)
        return code;
    int status = archive->lib.read_next_header(archive->reader, &entry);
    if (status == ARCHIVE_EOF) {
        *ret_end = true;
        return JF_OK;
    }
    // ARCHIVE_WARN: a name that this locale cannot show; names are bytes here.
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
        return fail_damaged(archive, err);
    if (++archive->entries > MOST_ENTRIES)
        return jf_fail(err, JF_LIMIT, "%s: has more than %d entries", archive->name, MOST_ENTRIES);
    return take_entry(archive, entry, ret_entry, err);
}

enum jf_code jf_archive_read(struct jf_archive *archive, void *bytes, size_t len, size_t *ret_len,
                             struct jf_error *err) {
    *ret_len = 0;
    enum jf_code code = jf_cancel_check(archive->cancel, err);
    if (code != JF_OK)
        return code;
    la_ssize_t got = archive->lib.read_data(archive->reader, bytes, len);
    if (got < 0)
        return fail_damaged(archive, err);
    archive->unpacked += (uint64_t)got;
    if (archive->unpacked > archive->entry_end)
        return jf_fail(err, JF_PROTOCOL, "%s: an entry is larger than it says", archive->name);
    *ret_len = (size_t)got;
    return check_limit(archive, err);
}

enum jf_code jf_archive_finish(struct jf_archive *archive, struct jf_error *err) {
    char hex[JF_SHA256_HEX_SIZE];
    size_t len;
    enum jf_code code;
    do {
        code = read_input(archive, &len, err);
    } while (code == JF_OK && len);
    if (code != JF_OK || !archive->digest)
        return code;
    jf_digest_hex(archive->digest, hex);
    if (strcmp(hex, archive->sha256) == 0)
        return JF_OK;
    return jf_fail(err, JF_CHECKSUM, "%s: has the SHA-256 %s, due was %s", archive->name, hex,
                   archive->sha256);
}
