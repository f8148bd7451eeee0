#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every function that a C module gives to Lua is described in docs/lua-api.md: the
# names in the luaL_Reg tables of src/bind are compared with the reference.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1

missing=0
while read -r name; do
    grep -q "[.:]$name(" docs/lua-api.md || {
        echo "docs/lua-api.md does not describe '$name'" >&2
        missing=1
    }
done < <(grep -hoE '\{"[a-z][a-z0-9_]*", *[a-z_0-9]+\}' src/bind/*.c | cut -d'"' -f2 | sort -u)
exit $missing
