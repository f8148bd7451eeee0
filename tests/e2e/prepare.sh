#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes what the tests on the virtual boards need: their bundles, and a small bootable
# disk image, compressed. What is up to date stays.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

./dev bundle qemu-arm64
./dev bundle qemu-arm
mkdir -p build/demo
tests/e2e/curl-initramfs.sh build/bundles/qemu-arm64/data/initramfs.cpio.gz build/demo/curl-initramfs.cpio.gz
bundles/qemu-arm64/make-image.sh --small build/demo/small.raw
if [ ! -e build/demo/small.raw.xz ] || [ build/demo/small.raw -nt build/demo/small.raw.xz ]; then
    # A fast preset: the tests need the format, not the ratio.
    xz -1 -T0 -k -f -c build/demo/small.raw >build/demo/small.raw.xz.part
    mv build/demo/small.raw.xz.part build/demo/small.raw.xz
fi
