// SPDX-License-Identifier: Apache-2.0
//
// For modules that start downloads in another way than jflash.download does.
#ifndef JF_BIND_DOWNLOAD_H
#define JF_BIND_DOWNLOAD_H

#include <lua.h>

struct jf_download;

// Pushes a closed download; the caller puts one into it, which it then owns.
struct jf_download **jf_bind_push_download(lua_State *L);

#endif
