#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes a disk image for the virtual board to be flashed with: Debian arm64 files that boot from
# the flashed disk to the prompt "jflash-demo login:". Needs neither root nor loop devices. Two
# runs differ in the time stamps of inodes; the stamp beside the image keeps it from being remade.
set -eu

prog=make-image.sh
# shellcheck disable=SC2034
arch=arm64
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../common/lib.sh
. "$here/../common/lib.sh"

# In MiB: partition 1 holds the kernel, partition 2 the root, and each copy of the partition table
# gets 1.
boot_mib=64
total_mib=512
packages='base-files bash coreutils findutils grep gzip hostname perl procps python3 sed tar
    iproute2 less nano xz-utils busybox-static'

usage() {
    cat <<TEXT
usage: $prog [--force] [--small] OUT.raw

Makes a bootable 512 MiB arm64 disk image (GPT, two ext4 partitions, Debian files)
for the qemu-arm64 board; with --small 256 MiB, without the kernel's modules. A second
run with the same inputs does nothing; --force makes it again, with the newest
packages. It is not compressed: xz -T0 OUT.raw. The packages come from the host's
own apt sources.
TEXT
}

force=no out=
while [ $# -gt 0 ]; do
    case $1 in
    --force) force=yes ;;
    --small) total_mib=256 ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) [ -z "$out" ] || { usage >&2; exit 2; }; out=$1 ;;
    esac
    shift
done
[ -n "$out" ] || { usage >&2; exit 2; }
[ ! -d "$out" ] || die "$out is a folder"
mkdir -p "$(dirname "$out")"
out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")

hold "$(dirname "$out")"
stamp="$(inputs make-image.sh) $total_mib"
root_mib=$((total_mib - boot_mib - 2))
if [ $force = no ] && [ -e "$out" ] && [ "$(cat "$out.stamp" 2>/dev/null)" = "$stamp" ]; then
    say "$out is up to date"
    exit 0
fi

need apt-get:apt dpkg-deb:dpkg tar:tar cpio:cpio gzip:gzip xz:xz-utils depmod:kmod modprobe:kmod \
    mke2fs:e2fsprogs e2fsck:e2fsprogs sgdisk:gdisk unshare:util-linux flock:util-linux

workdir "$(dirname "$out")"
apt_root
kernel=$(kernel_package linux-image-arm64)
version=${kernel#linux-image-}
# shellcheck disable=SC2086
fetch_closure $packages
fetch "$kernel"

say "unpacking $(find "$tmp/debs" -name '*.deb' | wc -l) packages"
fs=$tmp/root
mkdir -p "$fs/usr/bin" "$fs/usr/sbin" "$fs/usr/lib"
ln -s usr/bin usr/sbin usr/lib "$fs"
for deb in "$tmp"/debs/*.deb; do
    case ${deb##*/} in
    linux-image-*) unpack "$deb" "$tmp/kernel" ;;
    *) unpack "$deb" "$fs" ;;
    esac
done
# Nothing for this board is among these, and the root would be nearly full.
for part in sound drivers/gpu drivers/infiniband drivers/media drivers/staging; do
    rm -rf "$tmp/kernel/lib/modules/$version/kernel/$part"
done

# The initrd: Debian's kernel has virtio and ext4 as modules. It finds root=PARTLABEL=... among
# the kernel's own partitions and goes on there.
say "packing the initrd"
initrd=$tmp/initrd
mkdir -p "$initrd/bin" "$initrd/dev" "$initrd/proc" "$initrd/sys" "$initrd/root"
cp "$fs/bin/busybox" "$initrd/bin/busybox"
ln -s busybox "$initrd/bin/sh"
modules "$tmp/kernel" "$version" "$initrd/lib/modules" \
    virtio_mmio virtio_blk sdhci-pci mmc_block ext4 crc32c_generic
cat >"$initrd/init" <<'SCRIPT'
#!/bin/sh
PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do
    insmod "/lib/modules/$module"
done </lib/modules/order

label=$(sed -n 's/.*root=PARTLABEL=\([^ ]*\).*/\1/p' /proc/cmdline)
tries=0
device=
while [ -z "$device" ] && [ $tries -lt 100 ]; do
    for event in $(grep -lx "PARTNAME=$label" /sys/class/block/*/uevent); do
        device=/dev/$(sed -n 's/^DEVNAME=//p' "$event")
        break
    done
    [ -n "$device" ] || sleep 0.1
    tries=$((tries + 1))
done
if ! mount -t ext4 "$device" /root; then
    echo "initrd: no root file system on a partition labelled '$label'"
    exec /bin/sh
fi
mount -o move /dev /root/dev
umount /sys /proc
exec switch_root /root /sbin/init
SCRIPT
chmod 755 "$initrd/init"
boot=$tmp/boot
mkdir -p "$boot/extlinux"
pack_initramfs "$initrd" "$boot/initrd.gz"
cp "$tmp/kernel/boot/vmlinuz-$version" "$boot/Image"
cat >"$boot/extlinux/extlinux.conf" <<CONF
default jflash-demo
label jflash-demo
    kernel /Image
    initrd /initrd.gz
    append root=PARTLABEL=rootfs console=ttyAMA0,115200 quiet
CONF

# The root: the packages' files, the kernel's modules, and busybox as init and login.
[ $total_mib = 256 ] || mv "$tmp/kernel/lib/modules" "$fs/usr/lib/modules"
rm -rf "$fs/sbin/init" "$fs/etc/mtab" "$fs/usr/share/locale" "$fs/usr/share/man"
ln -s ../bin/busybox "$fs/sbin/init"
for folder in boot dev etc/init.d proc root run sys tmp; do
    mkdir -p "$fs/$folder"
done
for applet in awk getty halt ifconfig login mount ping poweroff reboot route su udhcpc umount vi \
    wget; do
    [ -e "$fs/bin/$applet" ] || [ -e "$fs/sbin/$applet" ] || ln -s busybox "$fs/bin/$applet"
done
for shell in sh bash; do
    [ -e "$fs/bin/$shell" ] || ln -s busybox "$fs/bin/$shell"
done
echo jflash-demo >"$fs/etc/hostname"
echo '127.0.0.1 localhost jflash-demo' >"$fs/etc/hosts"
printf 'root:x:0:0:root:/root:/bin/bash\n' >"$fs/etc/passwd"
printf 'root::19000::::::\n' >"$fs/etc/shadow"
printf 'root:x:0:\n' >"$fs/etc/group"
cat >"$fs/etc/fstab" <<'FSTAB'
PARTLABEL=rootfs / ext4 defaults 0 1
FSTAB
cat >"$fs/etc/init.d/rcS" <<'SCRIPT'
#!/bin/sh
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t tmpfs run /run
busybox mount -o remount,rw /
busybox hostname -F /etc/hostname
busybox dmesg -n 1
SCRIPT
chmod 755 "$fs/etc/init.d/rcS"
cat >"$fs/etc/inittab" <<'INITTAB'
::sysinit:/etc/init.d/rcS
ttyAMA0::respawn:/usr/bin/busybox getty -L 115200 ttyAMA0 vt100
::ctrlaltdel:/usr/bin/busybox reboot
::shutdown:/usr/bin/busybox umount -a -r
INITTAB

# partition FOLDER LABEL UUID START_MIB SIZE_MIB: an ext4 file system in the image, owned by root
# whoever runs this.
partition() {
    say "making the $2 partition: $(du -sm "$1" | cut -f 1) MiB of files"
    as_root=
    [ "$(id -u)" = 0 ] || as_root='unshare --user --map-root-user'
    # The block and inode ratio of large file systems.
    # shellcheck disable=SC2086
    quietly $as_root mke2fs -q -t ext4 -b 4096 -i 16384 -L "$2" -U "$3" -E hash_seed="$3",root_owner=0:0 -m 0 \
        -d "$1" "$tmp/fs.img" "${5}M"
    quietly e2fsck -fn "$tmp/fs.img"
    dd if="$tmp/fs.img" of="$tmp/image" bs=1M seek="$4" conv=notrunc,sparse status=none
    rm "$tmp/fs.img"
}

truncate -s ${total_mib}M "$tmp/image"
partition "$boot" boot 6a666c61-7368-4000-8000-000000000001 1 $boot_mib
partition "$fs" rootfs 6a666c61-7368-4000-8000-000000000002 $((1 + boot_mib)) $root_mib
quietly sgdisk --disk-guid=6a666c61-7368-4000-8000-000000000000 \
    --new=1:1M:+${boot_mib}M --typecode=1:8300 --change-name=1:boot --attributes=1:set:2 \
    --partition-guid=1:6a666c61-7368-4000-8000-000000000011 \
    --new=2:$((1 + boot_mib))M:+${root_mib}M --typecode=2:8305 --change-name=2:rootfs \
    --partition-guid=2:6a666c61-7368-4000-8000-000000000012 "$tmp/image"

rm -f "$out.stamp"
mv "$tmp/image" "$out"
echo "$stamp" >"$tmp/stamp"
mv "$tmp/stamp" "$out.stamp"
say "$out: $total_mib MiB, $(du -m "$out" | cut -f 1) MiB of them data"
