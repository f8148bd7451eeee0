#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests: tests/run.sh [unit|peers|e2e|guest|bare]. Without a name it runs everything,
# the sanitizer builds included. Ends with "N passed, N failed".
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}
# A sanitizer that loops while it starts must not fill the disk or the day.
LIMIT="timeout --kill-after=10"

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
passed=0 failed=0 skipped=0
failures=()

count() { # NAME PASSED FAILED
    passed=$((passed + $2))
    failed=$((failed + $3))
    [ "$3" -eq 0 ] || failures+=("$1")
}

# A program whose exit status is its result.
check() { # NAME SECONDS COMMAND...
    local name=$1 seconds=$2 log=$logs/log
    shift 2
    if $LIMIT "$seconds" "$@" >"$log" 2>&1 </dev/null; then
        count "$name" 1 0
    else
        count "$name" 0 1
        echo "--- failed: $name"
        tail -n 60 "$log"
    fi
}

# Runs specs by busted inside a build's jflash; leaves LOG and LOG.status.
run_specs() { # LOG PRESET SECONDS PATH...
    local log=$1 preset=$2 seconds=$3 program=build/$2/jflash
    shift 3
    [ "$preset" != release ] || program=build/jflash
    JFLASH_PROGRAM=$PWD/$program JFLASH_BUILD=$PWD/$(dirname "$program") \
        $LIMIT "$seconds" "$program" run tests/busted.lua --output=plainTerminal \
        --run=default "$@" >"$log" 2>&1 </dev/null
    echo $? >"$log.status"
}

# Counts what run_specs left, and shows what did not pass.
judge_specs() { # NAME LOG
    local name=$1 log=$2 result status
    status=$(cat "$log.status")
    result=$(grep -aE '^[0-9]+ success(es)? / ' "$log" | tail -n 1)
    if [ -z "$result" ]; then
        count "$name (status $status)" 0 1
        echo "--- no result: $name"
        tail -n 80 "$log"
        return
    fi
    # shellcheck disable=SC2086
    set -- $result
    local good=$1 bad=$(($4 + $7)) pending=${10}
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    skipped=$((skipped + pending))
    count "$name" "$good" "$bad"
    if [ "$bad" -gt 0 ] || [ "$pending" -gt 0 ]; then
        echo "--- $name"
        grep -av '^[+]*$' "$log" | tail -n 120
    fi
    echo "$name: $result"
}

# A folder or file of specs.
specs() { # PRESET SECONDS PATH...
    local preset=$1 seconds=$2 log=$logs/log
    shift 2
    echo "==> busted, $preset: $*"
    run_specs "$log" "$preset" "$seconds" "$@"
    judge_specs "$preset $*" "$log"
}

# Spec files that mostly wait for a board: a process and a time limit each, some at
# a time.
specs_side_by_side() { # PRESET SECONDS_EACH AT_A_TIME FILE...
    local preset=$1 seconds=$2 at_a_time=$3 file
    shift 3
    echo "==> busted, $preset, $at_a_time at a time: $*"
    for file in "$@"; do
        while [ "$(jobs -rp | wc -l)" -ge "$at_a_time" ]; do wait -n; done
        run_specs "$logs/${file##*/}" "$preset" "$seconds" "$file" &
    done
    wait
    for file in "$@"; do
        judge_specs "$preset $file" "$logs/${file##*/}"
    done
}

# Many small spec files: shared out to a process per processor.
specs_shared_out() { # PRESET SECONDS FILE...
    local preset=$1 seconds=$2 share shares file part
    shift 2
    shares=$(nproc)
    [ "$shares" -le $# ] || shares=$#
    echo "==> busted, $preset, in $shares processes: $# files of $(dirname "$1")"
    for ((share = 1; share <= shares; share++)); do
        part=()
        for ((file = share; file <= $#; file += shares)); do part+=("${!file}"); done
        run_specs "$logs/share$share" "$preset" "$seconds" "${part[@]}" &
    done
    wait
    for ((share = 1; share <= shares; share++)); do
        judge_specs "$preset $(dirname "$1"), share $share of $shares" "$logs/share$share"
    done
}

c_units() { # PRESET
    local directory=build/$1/tests test
    [ "$1" != release ] || directory=build/tests
    for test in "$directory"/test_*; do
        if [ -f "$test" ] && [ -x "$test" ]; then
            check "$1 ${test##*/}" 120 "$test"
        fi
    done
}

fuzz_corpora() {
    local target name
    for target in build/asan/tests/fuzz_*; do
        if [ -d "$target" ] || [ ! -x "$target" ]; then continue; fi
        name=${target##*/fuzz_}
        check "corpus $name" 120 "$target" "tests/fuzz/corpus/$name"
    done
}

unit() {
    ./dev build asan || exit 1
    c_units asan
    fuzz_corpora
    specs_shared_out asan 300 tests/unit/lua/*_spec.lua
}

threads() {
    ./dev build tsan || exit 1
    c_units tsan
    specs tsan 600 tests/unit/lua/console_spec.lua tests/unit/lua/console_live_spec.lua \
        tests/unit/lua/console_net_spec.lua tests/unit/lua/image_spec.lua \
        tests/unit/lua/store_spec.lua tests/unit/lua/job_spec.lua tests/unit/lua/http_spec.lua \
        tests/unit/lua/serve_image_spec.lua tests/peers/tftp_spec.lua \
        tests/peers/download_spec.lua tests/peers/oci_faults_spec.lua
}

peers() {
    ./dev build asan || exit 1
    specs asan 900 tests/peers
}

# Specs that need drivers of the kernel, in a machine with such hardware.
guest() {
    ./dev build asan || exit 1
    local log=$logs/guest status=0
    echo "==> busted, asan, in the hardware guest: tests/guest"
    JFLASH_PROGRAM=$PWD/build/asan/jflash $LIMIT 600 tests/guest/run.sh >"$log" 2>&1 </dev/null ||
        status=$?
    echo "$status" >"$log.status"
    if [ "$status" -eq 77 ]; then
        tail -n 1 "$log"
    else
        judge_specs "hardware guest" "$log"
    fi
}

# The program without what only some users need (cmake/libraries.cmake).
bare() {
    cmake --preset bare >/dev/null && cmake --build --preset bare >/dev/null || exit 1
    check "bare build" 60 build/bare/jflash run tests/bare.lua
}

e2e() {
    ./dev build release || exit 1
    ./dev build asan || exit 1
    tests/e2e/prepare.sh || exit 1
    specs_side_by_side asan 900 3 tests/e2e/sim_*_spec.lua
    local real=() spec
    for spec in tests/e2e/*_spec.lua; do
        [[ $spec == */sim_* ]] || real+=("$spec")
    done
    specs_side_by_side release 1200 2 "${real[@]}"
}

case ${1:-all} in
unit) unit ;;
threads) threads ;;
peers) peers ;;
e2e) e2e ;;
guest) guest ;;
bare) bare ;;
all)
    unit
    threads
    peers
    e2e
    guest
    bare
    ;;
*)
    echo "tests/run.sh: no tests named '$1'" >&2
    exit 2
    ;;
esac

for name in "${failures[@]:-}"; do
    [ -z "$name" ] || echo "failed: $name"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
