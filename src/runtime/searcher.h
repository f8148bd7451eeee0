// SPDX-License-Identifier: Apache-2.0
//
// Where Lua modules come from. A file in a search directory wins over the
// embedded module of the same name. The directories, first match wins:
// $JFLASH_PATH (absolute entries only), the user's configuration directory,
// /etc/jflash, the share directory of the installation. Never the working
// directory, never a bundle; LUA_PATH, LUA_CPATH and LUA_INIT are ignored.
#ifndef JF_RUNTIME_SEARCHER_H
#define JF_RUNTIME_SEARCHER_H

#include <lua.h>

// Sets package.path, package.cpath, package.preload's C modules and the searcher
// of embedded sources, and opens the module "jflash.runtime", through which Lua
// sees the search directories and the embedded files.
void jf_searcher_install(lua_State *L);

#endif
