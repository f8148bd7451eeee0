// SPDX-License-Identifier: Apache-2.0
#include "registry/archive_lib.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libarchive.so.13"

struct entry {
    const char *name;
    size_t offset;
};

static const struct entry entries[] = {
#define JF_ARCHIVE_ENTRY(name) {"archive_" #name, offsetof(struct jf_archive_lib, name)},
    JF_ARCHIVE_FUNCTIONS(JF_ARCHIVE_ENTRY)
#undef JF_ARCHIVE_ENTRY
};

// The name of the first function that the library lacks, or NULL.
static const char *find_functions(struct jf_archive_lib *lib) {
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        void *function = dlsym(lib->library, entries[i].name);
        if (!function)
            return entries[i].name;
        // A data pointer is a function pointer here (POSIX, dlsym).
        memcpy((char *)lib + entries[i].offset, &function, sizeof function);
    }
    return NULL;
}

enum jf_code jf_archive_load(struct jf_archive_lib *lib, struct jf_error *err) {
    *lib = (struct jf_archive_lib){0};
    // Not unloaded before the process ends: the libraries behind it may have exit handlers.
    lib->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!lib->library)
        return jf_fail(err, JF_UNSUPPORTED,
                       "reading tar archives needs %s, which is not installed: apt install "
                       "libarchive13",
                       LIBRARY);
    const char *missing = find_functions(lib);
    if (!missing)
        return JF_OK;
    jf_archive_unload(lib);
    return jf_fail(err, JF_UNSUPPORTED, "libarchive is too old: it has no %s", missing);
}

void jf_archive_unload(struct jf_archive_lib *lib) {
    if (lib->library)
        dlclose(lib->library);
    lib->library = NULL;
}
