#!/bin/sh
# shellcheck disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# The flasher system of the arm64 virtual board with Debian's curl in it, for what busybox's wget
# cannot fetch: curl-initramfs.sh INITRAMFS OUT. The kernel unpacks the archives of an initramfs one
# after the other, so curl's is put behind the bundle's.
set -eu

prog=curl-initramfs.sh
here=$(cd "$(dirname "$0")/../../bundles/qemu-arm64" && pwd)
arch=arm64
# shellcheck source-path=SCRIPTDIR source=../../bundles/common/lib.sh
. "$here/../common/lib.sh"

mkdir -p "$(dirname "$2")"
initramfs=$1 out=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
stamp=$(sha256sum <"$0")
if [ -e "$out" ] && [ -z "$(find "$initramfs" -newer "$out")" ] && [ "$(cat "$out.stamp")" = "$stamp" ]; then
    exit 0
fi
hold "$(dirname "$out")"
workdir "$(dirname "$out")"
apt_root
fetch_closure curl
for deb in "$tmp"/debs/*.deb; do
    unpack "$deb" "$tmp/unpacked"
done
mkdir -p "$tmp/fs"
(
    cd "$tmp/unpacked"
    find usr/bin/curl lib usr/lib \( -name curl -o -name '*.so' -o -name '*.so.*' \) ! -path '*/gconv/*' |
        cpio --quiet -pd "$tmp/fs"
)
pack_initramfs "$tmp/fs" "$tmp/curl.cpio.gz"
cat "$initramfs" "$tmp/curl.cpio.gz" >"$tmp/out"
mv "$tmp/out" "$out"
echo "$stamp" >"$out.stamp"
say "$out: $(du -h "$out" | cut -f 1)"
