#!/bin/sh
# shellcheck disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Builds what the hardware guest boots: prepare.sh FOLDER. Debian's stock kernel of this host's
# architecture, and an initramfs of the host's busybox and the modules (run.sh adds `init`). Nothing
# is installed, nothing needs root. What is up to date stays.
set -eu

prog=prepare.sh
here=$(cd "$(dirname "$0")" && pwd)
arch=$(dpkg --print-architecture)
# shellcheck source-path=SCRIPTDIR source=../../bundles/common/lib.sh
. "$here/../../bundles/common/lib.sh"

mkdir -p "$1"
out=$(cd "$1" && pwd)
# What carries the root file system, the tests' channels to QEMU, and the hardware under test.
modules="virtio_pci 9pnet_virtio 9p virtio_console
    xhci_pci ftdi_sio usbhid hid_generic uhid hid_cp2112 dummy_hcd usb_f_hid"
stamp=$(cat "$0" /bin/busybox | sha256sum)
hold "$out"
if [ -e "$out/vmlinuz" ] && [ -e "$out/initramfs.cpio.gz" ] && [ "$(cat "$out/stamp")" = "$stamp" ]; then
    exit 0
fi
need apt-get:apt dpkg-deb:dpkg cpio:cpio gzip:gzip xz:xz-utils depmod:kmod modprobe:kmod flock:util-linux
workdir "$out"
apt_root
fetch "$(kernel_package "linux-image-$arch")"
unpack "$tmp"/debs/*.deb "$tmp/kernel"
version=$(ls "$tmp/kernel/lib/modules")
mkdir -p "$tmp/fs/bin" "$tmp/fs/root"
# shellcheck disable=SC2086
modules "$tmp/kernel" "$version" "$tmp/fs/modules" $modules
cp /bin/busybox "$tmp/fs/bin/busybox"
pack_initramfs "$tmp/fs" "$tmp/initramfs.cpio.gz"
mv "$tmp/kernel/boot/vmlinuz-$version" "$out/vmlinuz"
mv "$tmp/initramfs.cpio.gz" "$out/initramfs.cpio.gz"
echo "$stamp" >"$out/stamp"
say "$out: Linux $version, initramfs of $(du -h "$out/initramfs.cpio.gz" | cut -f 1)"
