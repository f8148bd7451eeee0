// SPDX-License-Identifier: Apache-2.0
//
// The C modules that Lua code can require: one line each, in the order of the
// alphabet. The runtime registers them as "jflash.NAME".
#ifndef JF_BIND_MODULES_H
#define JF_BIND_MODULES_H

#include <lua.h>

#define JF_MODULES(X)                                                                              \
    X(console)                                                                                     \
    X(download)                                                                                    \
    X(format)                                                                                      \
    X(gpio)                                                                                        \
    X(hid)                                                                                         \
    X(http)                                                                                        \
    X(http_client)                                                                                 \
    X(image)                                                                                       \
    X(job)                                                                                         \
    X(json)                                                                                        \
    X(line_edit)                                                                                   \
    X(mqtt)                                                                                        \
    X(net)                                                                                         \
    X(registry)                                                                                    \
    X(snmp)                                                                                        \
    X(store)                                                                                       \
    X(sys)                                                                                         \
    X(tftp)                                                                                        \
    X(yaml)

#define JF_DECLARE_MODULE(name) int luaopen_jflash_##name(lua_State *L);
JF_MODULES(JF_DECLARE_MODULE)
#undef JF_DECLARE_MODULE

#endif
