// SPDX-License-Identifier: Apache-2.0
#include "sys/library.h"

#include <dlfcn.h>
#include <string.h>

static void *open_file(const char *file) {
    return file ? dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) : NULL;
}

// The name of the first function that is not there, or NULL.
static const char *find_functions(void *handle, const struct jf_library *library, void *table) {
    for (size_t i = 0; i < library->count; i++) {
        const struct jf_symbol *symbol = &library->symbols[i];
        void *function = dlsym(handle, symbol->name);
        if (!function)
            return symbol->name;
        // A data pointer is a function pointer here (POSIX, dlsym).
        memcpy((char *)table + symbol->offset, &function, sizeof function);
    }
    return NULL;
}

enum jf_code jf_library_load(const struct jf_library *library, void *table, void **ret_handle,
                             struct jf_error *err) {
    *ret_handle = NULL;
    void *handle = open_file(library->file);
    if (!handle)
        handle = open_file(library->other_file);
    if (!handle)
        return jf_fail(err, JF_UNSUPPORTED, "%s needs %s, which is not installed: %s",
                       library->need, library->file, library->remedy);
    const char *missing = find_functions(handle, library, table);
    if (missing) {
        jf_library_unload(&handle);
        return jf_fail(err, JF_UNSUPPORTED, "%s has no %s: another version is needed",
                       library->file, missing);
    }
    *ret_handle = handle;
    return JF_OK;
}

void jf_library_unload(void **handle) {
    if (*handle)
        dlclose(*handle);
    *handle = NULL;
}
