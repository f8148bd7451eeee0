# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
#
# The flasher system: a Debian kernel, and an initramfs of busybox and the modules that a board's
# storage and network need. Sourced after lib.sh.

# flasher_packages METAPACKAGE: the newest kernel of that kind, and busybox. Sets $version (the
# kernel's) and $unpacked, the folder with their files.
flasher_packages() {
    kernel=$(kernel_package "$1")
    version=${kernel#linux-image-}
    unpacked=$tmp/unpacked
    fetch "$kernel" busybox-static
    for deb in "$tmp"/debs/*.deb; do
        unpack "$deb" "$unpacked"
    done
}

# flasher_busybox: the same without a kernel, for one that comes from elsewhere.
flasher_busybox() {
    unpacked=$tmp/unpacked
    fetch busybox-static
    unpack "$tmp"/debs/busybox-static_*.deb "$unpacked"
}

# flasher_accounts FOLDER: `root` has no password; `flasher`, with the password `flasher`, is the
# same user behind one. The passwords are in shadow: a passwd entry with none in it is skipped when
# uid 0 gets its name.
flasher_accounts() {
    cat >"$1/passwd" <<'PASSWD'
root:x:0:0:root:/root:/bin/sh
flasher:x:0:0:flasher:/root:/bin/sh
PASSWD
    cat >"$1/shadow" <<'SHADOW'
root::19000::::::
flasher:$6$jflash$fN3TaPpFE2Y6.ZxbWyBe0OETUDPKOqJkQh7n5rPuYW5R6AqCF2QsdDLeP0Ela5azDPwfNWWqm2wX8lqkfs2nL0:19000::::::
SHADOW
    echo 'root:x:0:' >"$1/group"
}

# flasher_initramfs FILE MODULE...: FILE will be a gzipped cpio archive.
flasher_initramfs() {
    say "packing the initramfs"
    file=$1 fs=$tmp/initramfs
    shift
    for folder in bin sbin usr/bin usr/sbin usr/share/udhcpc etc/udhcpc dev proc sys run tmp mnt root; do
        mkdir -p "$fs/$folder"
    done
    busybox=$unpacked/bin/busybox
    [ -e "$busybox" ] || busybox=$unpacked/usr/bin/busybox
    cp "$busybox" "$fs/bin/busybox"
    ln -s busybox "$fs/bin/sh"
    modules "$unpacked" "$version" "$fs/lib/modules" "$@"
    cp "$here/../common/flasher/init.sh" "$fs/init"

    echo jflash-flasher >"$fs/etc/hostname"
    flasher_accounts "$fs/etc"
    cat >"$fs/etc/os-release" <<RELEASE
ID=jflash-flasher
NAME="jflash flasher"
PRETTY_NAME="jflash flasher (Linux $version)"
RELEASE
    # Debian's busybox looks in /etc; others, and whoever names the script, in /usr/share.
    cp "$here/../common/flasher/udhcpc.sh" "$fs/etc/udhcpc/default.script"
    ln -s /etc/udhcpc/default.script "$fs/usr/share/udhcpc/default.script"
    chmod 755 "$fs/init" "$fs/etc/udhcpc/default.script"
    pack_initramfs "$fs" "$file"
}
