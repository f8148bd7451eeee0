// SPDX-License-Identifier: Apache-2.0
//
// Input: a tar archive, plain or compressed. Whatever is in it: what was unpacked are files,
// folders and links, and no link leads out of the folder.
#include <ftw.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/unpack.h"
#include "sys/files.h"

#define LIMIT_BYTES (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

// nftw has no argument of its own.
static char top[PATH_MAX];

static int check_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    char real[PATH_MAX];
    (void)kind;
    (void)place;
    if (!S_ISREG(info->st_mode) && !S_ISDIR(info->st_mode) && !S_ISLNK(info->st_mode))
        abort();
    size_t depth = strlen(top);
    if (realpath(path, real) &&
        (strncmp(real, top, depth) != 0 || (real[depth] && real[depth] != '/')))
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    char dir[] = "/tmp/fuzz-archive-XXXXXX", path[64];
    struct jf_error err;
    struct jf_cancel *cancel = jf_cancel_new();
    int fd = memfd_create("archive", MFD_CLOEXEC);
    if (!cancel || fd < 0 || !mkdtemp(dir) || write(fd, data, len) != (ssize_t)len)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const struct jf_archive_options options = {
        .name = "fuzz", .path = path, .limit_bytes = LIMIT_BYTES, .cancel = cancel};
    jf_unpack(&options, dir, &err);
    if (!realpath(dir, top) || nftw(dir, check_entry, 8, FTW_PHYS) != 0 ||
        jf_file_remove_tree(dir, &err) != JF_OK)
        abort();
    close(fd);
    jf_cancel_free(cancel);
    return 0;
}
