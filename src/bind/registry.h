// SPDX-License-Identifier: Apache-2.0
//
// The parts of jflash.registry: manifests are in a file of their own.
#ifndef JF_BIND_REGISTRY_H
#define JF_BIND_REGISTRY_H

#include <lua.h>

// registry.manifest(text, {name, content_type}?)
int jf_registry_push_manifest(lua_State *L);

// Makes the class that it needs.
void jf_registry_manifest_class(lua_State *L);

// registry.member, registry.unpack and registry.fits.
int jf_registry_member(lua_State *L);
int jf_registry_unpack(lua_State *L);
int jf_registry_fits(lua_State *L);

#endif
