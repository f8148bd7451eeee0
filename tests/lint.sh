#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The style and the layers, checked: formatting, clang-tidy, cppcheck, luacheck
# and the shell scripts; SPDX lines, and that the primitives do not know of Lua.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1

status=0
fail() {
    echo "lint: $*" >&2
    status=1
}

mapfile -t c_files < <(git ls-files '*.c' '*.h')
mapfile -t sources < <(git ls-files 'src/*.c')
mapfile -t shell_files < <(git ls-files '*.sh' dev .ci/run)

clang-format --dry-run -Werror "${c_files[@]}" || fail "clang-format: run ./dev format"
luacheck -q . || fail "luacheck"
shellcheck "${shell_files[@]}" || fail "shellcheck"

layers=$(git ls-files 'src/*.c' 'src/*.h' | grep -vE '^src/(bind|runtime)/' |
    xargs grep -lE '#include *[<"](lua|lauxlib|lualib)\.h')
[ -z "$layers" ] || fail "includes Lua below src/bind: $layers"

while read -r file; do
    head -n 5 "$file" | grep -q 'SPDX-License-Identifier' || fail "no SPDX line: $file"
done < <(git ls-files '*.c' '*.h' '*.lua' '*.sh' '*.cmake' '*.py' dev)

tests/docscov.sh || fail "the Lua API reference"

[ -f build/compile_commands.json ] || ./dev build >/dev/null || exit 1
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
    --suppress=missingIncludeSystem --error-exitcode=1 -j "$(nproc)" -I src src || fail "cppcheck"
# A file each: of several in one process the analyzer forgets what va_start did.
printf '%s\n' "${sources[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy --quiet -p build 2>/dev/null ||
    fail "clang-tidy"
exit $status
