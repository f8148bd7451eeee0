#!/bin/sh
# shellcheck disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Builds the flasher bundle of the 32 bit ARM virtual board from Debian's packages: the generic
# ARMv7 kernel, an initramfs of busybox and the modules for the board's devices, and the machine's
# device tree. Needs neither root nor loop devices.
set -eu

prog=build.sh
here=$(cd "$(dirname "$0")" && pwd)
board="qemu-arm"
arch=armhf
kernel_meta=linux-image-armmp
qemu="qemu-system-arm"
# The kernel without LPAE sees nothing above 4 GiB.
machine=virt,highmem=off
cpu=cortex-a15
uboot=/usr/lib/u-boot/qemu_arm/u-boot.bin

# vmlinuz is a zImage, which unpacks itself.
put_kernel() {
    cp "$1" "$data/zImage"
}

more_tools=
put_more() { :; }

# shellcheck source-path=SCRIPTDIR source=../common/virtual.sh
. "$here/../common/virtual.sh"
