#!/bin/sh
# shellcheck disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Builds the flasher bundle of the arm64 virtual board from Debian's packages: the generic kernel,
# an initramfs of busybox and the modules for the board's devices, and the machine's device tree.
# Needs neither root nor loop devices.
set -eu

prog=build.sh
here=$(cd "$(dirname "$0")" && pwd)
board="qemu-arm64"
arch=arm64
# The cloud flavour has no MMC.
kernel_meta=linux-image-arm64
qemu="qemu-system-aarch64"
machine=virt
cpu=cortex-a57
uboot=/usr/lib/u-boot/qemu_arm64/u-boot.bin

# vmlinuz is a plain Image, which booti unpacks when it is compressed.
put_kernel() {
    gzip -9n <"$1" >"$data/Image.gz"
}

# The same system as a FIT, for manifest-fit.yaml.
more_tools='mkimage:u-boot-tools lz4:lz4'
put_more() {
    fit_image "$data/flasher.itb" "$1" 0x40400000 "$data/initramfs.cpio.gz" \
        virt="$data/virt.dtb" virt-alt="$data/virt-alt.dtb"
}

# shellcheck source-path=SCRIPTDIR source=../common/virtual.sh
. "$here/../common/virtual.sh"
