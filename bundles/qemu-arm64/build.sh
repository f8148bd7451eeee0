#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the flasher bundle of the virtual board from Debian's arm64 packages: the generic kernel,
# an initramfs of busybox and the modules for the board's devices, and the machine's device tree.
# Needs neither root nor loop devices.
set -eu

prog=build.sh
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"

usage() {
    cat <<TEXT
usage: $prog [--force] OUTDIR

Builds the qemu-arm64 flasher bundle in OUTDIR: manifest.yaml and data/.
A second run with the same inputs does nothing; --force builds again, with
the newest packages. The packages come from the host's own apt sources.
TEXT
}

force=no out=
while [ $# -gt 0 ]; do
    case $1 in
    --force) force=yes ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) [ -z "$out" ] || { usage >&2; exit 2; }; out=$1 ;;
    esac
    shift
done
[ -n "$out" ] || { usage >&2; exit 2; }
mkdir -p "$(dirname "$out")"
out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")

# An installation has it under another name: a folder with a manifest.yaml is a bundle.
manifest=manifest.yaml
[ -e "$here/$manifest" ] || manifest=manifest.in.yaml

hold "$(dirname "$out")"
stamp=$(inputs build.sh "$manifest")
if [ $force = no ] && [ "$(cat "$out/.stamp" 2>/dev/null)" = "$stamp" ]; then
    say "$out is up to date"
    exit 0
fi
if [ -e "$out" ] && [ ! -e "$out/.stamp" ] && ! rmdir "$out" 2>/dev/null; then
    die "$out exists and was not made by this script: remove it, or name another"
fi

need apt-get:apt dpkg-deb:dpkg tar:tar cpio:cpio gzip:gzip depmod:kmod modprobe:kmod \
    dtc:device-tree-compiler fdtput:device-tree-compiler \
    qemu-system-aarch64:qemu-system-arm flock:util-linux

workdir "$(dirname "$out")"
apt_root
kernel=$(kernel_package)
[ -n "$kernel" ] || die "no arm64 kernel in the host's apt sources"
version=${kernel#linux-image-}
fetch "$kernel" busybox-static
for deb in "$tmp"/debs/*.deb; do
    unpack "$deb" "$tmp/unpacked"
done

data=$tmp/bundle/data
mkdir -p "$data"

say "packing the kernel"
gzip -9n <"$tmp/unpacked/boot/vmlinuz-$version" >"$data/Image.gz"

say "packing the initramfs"
fs=$tmp/initramfs
mkdir -p "$fs/bin" "$fs/sbin" "$fs/usr/bin" "$fs/usr/sbin" "$fs/usr/share/udhcpc" "$fs/etc/udhcpc" \
    "$fs/dev" "$fs/proc" "$fs/sys" "$fs/run" "$fs/tmp" "$fs/mnt" "$fs/root"
cp "$tmp/unpacked/bin/busybox" "$fs/bin/busybox"
ln -s busybox "$fs/bin/sh"
modules "$tmp/unpacked" "$version" "$fs/lib/modules" \
    virtio_mmio virtio_blk virtio_net af_packet sdhci-pci mmc_block

cat >"$fs/init" <<'SCRIPT'
#!/bin/sh
# First process of the flasher: devices, then busybox init, which keeps a login on the console.
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmp /tmp
dmesg -n 1

while read -r module; do
    insmod "/lib/modules/$module"
done </lib/modules/order

# A card is found a moment after its controller.
tries=0
while [ -n "$(ls /sys/class/mmc_host 2>/dev/null)" ] && [ ! -b /dev/mmcblk0 ] &&
    [ $tries -lt 20 ]; do
    sleep 0.1
    tries=$((tries + 1))
done

hostname -F /etc/hostname
ip link set lo up

# The login goes to the real terminal behind /dev/console, which can do job control and Ctrl-C.
tty=$(sed 's/.* //' /sys/class/tty/console/active)
cat >/etc/inittab <<INITTAB
${tty:-console}::respawn:/sbin/getty -L 115200 ${tty:-console} vt100
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/sync
INITTAB
exec /sbin/init
SCRIPT
chmod 755 "$fs/init"

echo jflash-flasher >"$fs/etc/hostname"
# `root` has no password; `flasher`, with the password `flasher`, is the same user behind one.
# The passwords are in shadow: a passwd entry with none in it is skipped when uid 0 gets its name.
cat >"$fs/etc/passwd" <<'PASSWD'
root:x:0:0:root:/root:/bin/sh
flasher:x:0:0:flasher:/root:/bin/sh
PASSWD
cat >"$fs/etc/shadow" <<'SHADOW'
root::19000::::::
flasher:$6$jflash$fN3TaPpFE2Y6.ZxbWyBe0OETUDPKOqJkQh7n5rPuYW5R6AqCF2QsdDLeP0Ela5azDPwfNWWqm2wX8lqkfs2nL0:19000::::::
SHADOW
echo 'root:x:0:' >"$fs/etc/group"
cat >"$fs/etc/os-release" <<RELEASE
ID=jflash-flasher
NAME="jflash flasher"
PRETTY_NAME="jflash flasher (Linux $version)"
RELEASE

# Debian's busybox looks in /etc; others, and whoever names the script, in /usr/share.
cat >"$fs/etc/udhcpc/default.script" <<'SCRIPT'
#!/bin/sh
# Called by udhcpc; its variables: interface, ip, mask (prefix length), router, dns, domain.
case $1 in
deconfig)
    ip addr flush dev "$interface"
    ip link set "$interface" up
    ;;
bound | renew)
    ip addr flush dev "$interface"
    ip addr add "$ip/${mask:-24}" dev "$interface"
    for gateway in $router; do
        ip route replace default via "$gateway" dev "$interface"
        break
    done
    {
        [ -z "$domain" ] || echo "search $domain"
        for server in $dns; do
            echo "nameserver $server"
        done
    } >/etc/resolv.conf
    ;;
esac
SCRIPT
chmod 755 "$fs/etc/udhcpc/default.script"
ln -s /etc/udhcpc/default.script "$fs/usr/share/udhcpc/default.script"
pack_initramfs "$fs" "$data/initramfs.cpio.gz"

say "dumping the device tree"
# Without randomness: seeds that were drawn once must not feed every boot's random numbers.
# shellcheck disable=SC2086
quietly qemu-system-aarch64 -M virt,dumpdtb="$tmp/padded.dtb",dtb-randomness=off $machine \
    -bios "$uboot"
dtc -q -I dtb -O dtb -o "$data/virt.dtb" "$tmp/padded.dtb"
cp "$data/virt.dtb" "$data/virt-alt.dtb"
fdtput -t s "$data/virt-alt.dtb" / model "jflash virtual board (virt-alt)"

cp "$here/$manifest" "$tmp/bundle/manifest.yaml"
package_list >"$tmp/bundle/packages.txt"
echo "$stamp" >"$tmp/bundle/.stamp"
if [ -e "$out" ]; then
    mv "$out" "$tmp/old"
fi
mv -T "$tmp/bundle" "$out"
say "$out: $(du -bhc "$out"/data/* | tail -n 1 | cut -f 1)"
