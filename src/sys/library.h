// SPDX-License-Identifier: Apache-2.0
//
// Shared libraries that are loaded when they are needed: linked in, each would cost
// every run its start-up time and memory.
#ifndef JF_SYS_LIBRARY_H
#define JF_SYS_LIBRARY_H

#include <stddef.h>

#include "base/error.h"

// A function, and where its address belongs in the table of those that are used.
struct jf_symbol {
    const char *name;
    size_t offset;
};

struct jf_library {
    const char *file;       // "libfoo.so.1"
    const char *other_file; // another flavour of the same, or NULL
    const char *need;       // what for, before "needs": "reading tar archives"
    const char *remedy;     // "apt install libfoo1"
    const struct jf_symbol *symbols;
    size_t count;
};

// Loads the library (again: the system counts) and fills in `table`. Any thread.
// JF_UNSUPPORTED, with the remedy, when it is not there, and when it lacks a function.
// Release the handle with jf_library_unload, which accepts NULL. The library stays in
// memory until the process ends: what is behind it may have left exit handlers.
enum jf_code jf_library_load(const struct jf_library *library, void *table, void **ret_handle,
                             struct jf_error *err);

void jf_library_unload(void **handle);

#endif
