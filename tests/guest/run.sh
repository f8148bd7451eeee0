#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs specs inside the hardware guest: run.sh [BUSTED'S OPTION...] [SPEC...], by default all of
# this folder. The program under test is $JFLASH_PROGRAM, as for other specs. Prints what busted
# prints there, and exits with its status; what the kernel said is shown when the guest failed.
#
# The guest is a QEMU machine of this host's architecture with Debian's kernel and real drivers.
# It sees the host's files read-only, and a few empty folders of its own (init). Everything happens
# in there: the far end of each of its serial ports and QEMU's control socket are ports in the
# guest, too (guest.lua), so a spec also plays the board and pulls plugs.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
cd "$root"
[ $# -gt 0 ] || set -- tests/guest
LIMIT_S=${JFLASH_GUEST_LIMIT_S:-400}
place=build/guest

arch=$(dpkg --print-architecture)
case $arch in
amd64)
    qemu=(qemu-system-x86_64 -machine q35 -cpu qemu64)
    console=ttyS0
    ;;
arm64)
    qemu=(qemu-system-aarch64 -machine virt -cpu cortex-a57)
    console=ttyAMA0
    ;;
*)
    echo "tests/guest/run.sh: there is no hardware guest for $arch" >&2
    exit 77
    ;;
esac

tests/guest/prepare.sh "$place" >&2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# What the guest runs, as a further archive behind the initramfs.
mkdir "$dir/fs"
cp tests/guest/init "$dir/fs/init"
chmod 755 "$dir/fs/init"
echo "$root" >"$dir/fs/place"
{
    printf 'cd %q\n' "$root"
    for name in JFLASH_PROGRAM JFLASH_BUILD ASAN_OPTIONS UBSAN_OPTIONS; do
        [ -z "${!name:-}" ] || printf 'export %s=%q\n' "$name" "${!name}"
    done
    echo 'export HOME=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin'
    printf '%q ' exec "${JFLASH_PROGRAM:-$root/build/jflash}" run tests/busted.lua \
        --output=plainTerminal --run=default "$@"
} >"$dir/fs/job"
(cd "$dir/fs" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1 |
    cat "$place/initramfs.cpio.gz" - >"$dir/initramfs"

# port NAME: a port in the guest, which is the other end of the socket NAME in here.
port() {
    qemu+=(-chardev "socket,id=$1-end,path=$dir/$1"
        -device "virtserialport,name=$1,chardev=$1-end")
}

# line NAME: a serial device's socket, and the port that is its far end.
line() {
    qemu+=(-chardev "socket,id=$1,path=$dir/$1,server=on,wait=off")
    port "$1"
}

# Instructions are translated: KVM inside a virtual machine may hang, and the boot takes 5 s anyway.
# One processor is the fastest then, and so is one without vectors and mitigations.
qemu+=(-accel tcg -nodefaults -display none -no-reboot -smp 1 -m 1024
    -kernel "$place/vmlinuz" -initrd "$dir/initramfs"
    -append "console=$console quiet panic=-1 mitigations=off"
    -chardev "file,id=console,path=$dir/console" -serial chardev:console
    -virtfs "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
    -virtfs "local,path=$root,mount_tag=sources,security_model=none,readonly=on,multidevs=remap"
    -device virtio-serial
    -add-fd "fd=3,set=1" -chardev "file,id=out,path=/dev/fdset/1,append=on"
    -device "virtserialport,name=out,chardev=out"
    -chardev "file,id=status,path=$dir/status" -device "virtserialport,name=status,chardev=status"
    -chardev "socket,id=qmp,path=$dir/qmp,server=on,wait=off" -mon "chardev=qmp,mode=control")
port qmp
line tty
qemu+=(-device "pci-serial,chardev=tty")
line usb
qemu+=(-chardev "null,id=nowhere")
# The hub that adapters are plugged into is 1-1 in there, and can switch its ports.
qemu+=(-device "qemu-xhci,id=xhci" -device "usb-hub,bus=xhci.0,port=1,port-power=on")

timeout --foreground --kill-after=5 "$LIMIT_S" "${qemu[@]}" 3>&1 </dev/null >&2 || ended=$?
status=$(cat "$dir/status" 2>/dev/null || true)
if [ -z "$status" ]; then
    echo "tests/guest/run.sh: the guest failed (QEMU's status ${ended:-0})" >&2
    tail -n 40 "$dir/console" >&2 || true
    exit 1
fi
exit "$status"
