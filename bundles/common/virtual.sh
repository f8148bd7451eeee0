# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Builds the flasher bundle of a virtual board: QEMU's "virt" machine with Debian's U-Boot. Sourced
# by the board's build.sh, which says what differs: $board, $arch, $kernel_meta, $qemu, $machine,
# $cpu, $uboot, put_kernel VMLINUZ, which makes the kernel's file under $data, and put_more VMLINUZ,
# which adds what other manifests of the bundle load; it may need $more_tools.

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/../common/lib.sh"
# shellcheck source-path=SCRIPTDIR source=bundle.sh
. "$here/../common/bundle.sh"
# shellcheck source-path=SCRIPTDIR source=flasher.sh
. "$here/../common/flasher.sh"
# shellcheck source-path=SCRIPTDIR source=fit.sh
. "$here/../common/fit.sh"

# The machine's device tree, as files. It is dumped from the machine as it is run: -bios included,
# or the kernel panics before its console is up. Without randomness: seeds that were drawn once
# must not feed every boot's random numbers.
dump_device_tree() {
    say "dumping the device tree"
    quietly "$qemu" -M "$machine,dumpdtb=$tmp/padded.dtb,dtb-randomness=off" -cpu "$cpu" \
        -smp 1 -m 1024 -nodefaults -display none -monitor none -bios "$uboot"
    dtc -q -I dtb -O dtb -o "$data/virt.dtb" "$tmp/padded.dtb"
    cp "$data/virt.dtb" "$data/virt-alt.dtb"
    fdtput -t s "$data/virt-alt.dtb" / model "jflash virtual board (virt-alt)"
}

while [ $# -gt 0 ]; do
    case $1 in
    --force) force=yes ;;
    -h | --help) bundle_usage; exit 0 ;;
    -*) bundle_usage >&2; exit 2 ;;
    *) [ -z "$out" ] || { bundle_usage >&2; exit 2; }; out=$1 ;;
    esac
    shift
done
[ -n "$out" ] || { bundle_usage >&2; exit 2; }

bundle_begin "$out"
# shellcheck disable=SC2086
need apt-get:apt dpkg-deb:dpkg tar:tar cpio:cpio gzip:gzip xz:xz-utils depmod:kmod modprobe:kmod \
    dtc:device-tree-compiler fdtput:device-tree-compiler "$qemu":qemu-system-arm flock:util-linux \
    $more_tools
[ -r "$uboot" ] || die "missing packages: apt-get install u-boot-qemu"
apt_root
flasher_packages "$kernel_meta"
say "packing the kernel"
put_kernel "$unpacked/boot/vmlinuz-$version"
flasher_initramfs "$data/initramfs.cpio.gz" \
    virtio_mmio virtio_blk virtio_net af_packet sdhci-pci mmc_block
dump_device_tree
put_more "$unpacked/boot/vmlinuz-$version"
bundle_end
