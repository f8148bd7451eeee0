#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The whole job once, on real parts: builds jflash, a virtual board's bundle and a
# bootable disk image, flashes it, and boots what was flashed up to its login
# prompt. What was built before is used again. Called by ./dev demo.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

demo=build/demo
image=$demo/image.raw.xz
board=(--board qemu-arm64 --set power.drive="$PWD/$demo/disk.img" --set power.dir="$PWD/$demo/run")

say() {
    printf '==> %s\n' "$*" >&2
}

prepare() {
    ./dev build
    ./dev bundle qemu-arm64
    mkdir -p "$demo"
    say "making the disk image"
    bundles/qemu-arm64/make-image.sh "$demo/image.raw"
    if [ ! -e "$image" ] || [ "$demo/image.raw" -nt "$image" ]; then
        # A fast preset: with the usual one this took longer than all the rest.
        say "compressing it (xz -1)"
        xz -1 -T0 -k -f -c "$demo/image.raw" >"$image.part"
        mv "$image.part" "$image"
    fi
}

# Debian's U-Boot asks TFTP's port 69. Without the right to serve there, the demo
# goes on in a network namespace of its own, where it has that right.
may_serve() {
    [ "$(id -u)" = 0 ] || getcap build/jflash 2>/dev/null | grep -q cap_net_bind_service
}

flash_and_boot() {
    say "flashing: jflash flash ${board[*]} $image"
    build/jflash flash "${board[@]}" "$image"
    say "booting what was flashed"
    build/jflash run boot.lua "${board[@]}" --expect "jflash-demo login:"
    say "done: the image was flashed, read back, and its own system has booted"
}

if [ "${1:-}" = --flash-only ]; then
    flash_and_boot
    exit
fi
prepare
if may_serve; then
    flash_and_boot
else
    say "no right to serve on port 69: going on in a network namespace"
    # shellcheck disable=SC2016
    unshare -Urn sh -c 'ip link set lo up && exec "$0" --flash-only' "$0"
fi
