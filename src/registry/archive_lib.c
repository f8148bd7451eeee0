// SPDX-License-Identifier: Apache-2.0
#include "registry/archive_lib.h"

#include "sys/library.h"

static const struct jf_symbol symbols[] = {
#define JF_ARCHIVE_SYMBOL(name) {"archive_" #name, offsetof(struct jf_archive_lib, name)},
    JF_ARCHIVE_FUNCTIONS(JF_ARCHIVE_SYMBOL)
#undef JF_ARCHIVE_SYMBOL
};

static const struct jf_library library = {
    .file = "libarchive.so.13",
    .need = "reading tar archives",
    .remedy = "apt install libarchive13",
    .symbols = symbols,
    .count = sizeof symbols / sizeof *symbols,
};

enum jf_code jf_archive_load(struct jf_archive_lib *lib, struct jf_error *err) {
    return jf_library_load(&library, lib, &lib->library, err);
}

void jf_archive_unload(struct jf_archive_lib *lib) {
    jf_library_unload(&lib->library);
}
