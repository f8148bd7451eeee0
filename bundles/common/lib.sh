# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# What all builds of bundles and images share; sourced, with $here (the board's folder), $prog and
# $arch (Debian's name of the board's architecture) set. Debian packages of that architecture are
# fetched through an apt root of our own, so the host's apt and dpkg are never touched.

tmp=

say() {
    printf '%s: %s\n' "$prog" "$*"
}

die() {
    printf '%s: %s\n' "$prog" "$*" >&2
    exit 1
}

# need COMMAND:PACKAGE...: names all packages that are missing at once.
need() {
    PATH=$PATH:/usr/sbin:/sbin
    missing=
    for pair; do
        case "$missing " in *" ${pair#*:} "*) continue ;; esac
        command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
    done
    [ -z "$missing" ] || die "missing packages: apt-get install$missing"
}

cleanup() {
    [ -z "$tmp" ] || rm -rf "$tmp"
    tmp=
}

# workdir FOLDER: $tmp, a temporary folder in FOLDER, gone when the script ends, however it ends.
workdir() {
    trap cleanup EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    tmp=$(mktemp -d "$1/.$prog.XXXXXX")
    chmod 755 "$tmp"
}

# hold FOLDER: one build at a time in this folder; the lock goes with the process.
hold() {
    exec 9<"$1"
    flock -n 9 || { say "waiting for another build in $1"; flock 9; }
}

# inputs FILE...: one digest over what the result depends on: these, and what is shared.
inputs() {
    (cd "$here" && sha256sum "$@" ../common/*.sh ../common/flasher/*.sh) | sha256sum | cut -d ' ' -f 1
}

# apt_root: the host's sources and acquire options (proxies, mirrors), everything else our own. The
# hooks of the host's configuration stay out. $suite, when set, is a further one of Debian's, which
# is then preferred.
apt_root() {
    root=$tmp/apt
    mkdir -p "$root/parts" "$root/sources" "$root/lists/partial" "$root/archives/partial"
    : >"$root/status"
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
        /etc/apt/sources.list.d/*.sources; do
        [ -f "$f" ] || continue
        # A source limited to the host's architecture is good for ours too.
        sed -E -e '/^Architectures:/d' -e '/^deb/s/arch=[^] ]+//' -e '/^deb/s/\[ *\]//' \
            "$f" >"$root/sources/${f##*/}"
    done
    [ -z "${suite:-}" ] || printf 'deb [signed-by=%s] %s %s main\n' \
        /usr/share/keyrings/debian-archive-keyring.gpg http://deb.debian.org/debian "$suite" \
        >"$root/sources/suite.list"
    {
        apt-config dump | grep '^Acquire'
        [ -z "${suite:-}" ] || echo "APT::Default-Release \"$suite\";"
        cat <<CONF
Dir::Etc::main "/dev/null";
Dir::Etc::parts "$root/parts";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$root/sources";
Dir::State::lists "$root/lists";
Dir::State::status "$root/status";
Dir::State::extended_states "$root/extended_states";
Dir::Cache "$root";
Dir::Cache::archives "$root/archives";
Dir::Log "$root";
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Install-Recommends "false";
APT::Sandbox::User "$(id -un)";
CONF
    } >"$root/apt.conf"
    export APT_CONFIG="$root/apt.conf"
    say "reading the package lists for $arch"
    # A mirror in the midst of its own update has lists that do not fit together: what it lacks of
    # one source may well be had from another.
    apt-get update >"$tmp/log" 2>&1 || {
        grep '^[EW]:' "$tmp/log" >&2 || :
        say "going on with the package lists that could be read"
    }
}

# quietly COMMAND...: its output is shown only when it fails.
quietly() {
    "$@" >"$tmp/log" 2>&1 || {
        cat "$tmp/log" >&2
        die "failed: $*"
    }
}

# kernel_package METAPACKAGE: the package that it stands for now.
kernel_package() {
    package=$(apt-cache depends "$1" |
        sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)$/\1/p' | head -n 1)
    [ -n "$package" ] || die "no $1 in the host's apt sources"
    echo "$package"
}

# fetch PACKAGE...: into $tmp/debs, without what they depend on.
fetch() {
    say "fetching $*"
    mkdir -p "$tmp/debs"
    # shellcheck disable=SC2016
    quietly sh -c 'cd "$0" && apt-get download "$@"' "$tmp/debs" "$@"
}

# fetch_closure PACKAGE...: into $tmp/debs, with all that they depend on.
fetch_closure() {
    say "fetching $* and what they need"
    mkdir -p "$tmp/debs"
    quietly apt-get --yes --download-only install "$@"
    mv "$root"/archives/*.deb "$tmp/debs"
}

# unpack DEB FOLDER: onto a root whose /bin, /lib, ... may be links.
unpack() {
    mkdir -p "$2"
    dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink
}

# package_list: name and version of all that was fetched.
package_list() {
    for deb in "$tmp"/debs/*.deb; do
        [ -e "$deb" ] || continue
        # shellcheck disable=SC2016
        dpkg-deb -W --showformat='${Package} ${Version}\n' "$deb"
    done | LC_ALL=C sort
}

# modules KERNELROOT VERSION DEST MODULE...: copies the modules and what they need to DEST and
# writes their names to DEST/order, in the order in which they are to be loaded.
modules() {
    from=$1 version=$2 dest=$3
    shift 3
    mkdir -p "$dest"
    depmod -b "$from" "$version"
    for module; do
        modprobe -d "$from" -S "$version" --show-depends "$module" ||
            die "the kernel has no module $module"
    done >"$tmp/modules"
    sed -n 's/^insmod \([^ ]*\).*/\1/p' "$tmp/modules" | awk '!seen[$0]++' |
        while read -r path; do
            cp "$path" "$dest/"
            name=${path##*/}
            # busybox's insmod may not unpack them.
            case $name in *.xz) xz -d "$dest/$name" ;; esac
            printf '%s\n' "${name%.xz}"
        done >"$dest/order"
}

# pack_initramfs FOLDER FILE: the same input makes the same bytes.
pack_initramfs() {
    find "$1" -exec touch -h -d @0 {} +
    (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) |
        gzip -9n >"$2"
}
