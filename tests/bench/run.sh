#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures jflash beside its peers, each pair in one run: tests/bench/run.sh
# [NAME...], all of them without a name. Only the ratios mean anything. The rows are
# kept in build/bench.jsonl.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1

rows=build/bench.jsonl
: >"$rows"
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(startup expect tftp decode http oci flash)
status=0

for name in "${names[@]}"; do
    echo "==> bench: $name" >&2
    if [ "$name" = flash ]; then tests/e2e/prepare.sh >&2 || exit 1; fi
    build/jflash run "tests/bench/$name.lua" | tee -a "$rows.part" >/dev/null || {
        echo "bench $name failed" >&2
        status=1
    }
    cat "$rows.part" >>"$rows"
    build/jflash run tests/bench/table.lua "$rows.part"
    rm -f "$rows.part"
done
exit $status
