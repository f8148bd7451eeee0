# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Builds the flasher bundle of a real arm64 board: data/flasher.itb, a FIT of a kernel, an initramfs
# of busybox and the board's device trees, for the addresses that the board's manifest uses. Sourced
# by the board's build.sh, which says what differs: $board, $fit_load (where the kernel goes),
# $device_trees (NAME=FILE of a Debian kernel package, by configuration), $modules, and $debian: yes
# when Debian's kernel runs on the board, else why it does not.

arch=arm64
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/../common/lib.sh"
# shellcheck source-path=SCRIPTDIR source=bundle.sh
. "$here/../common/bundle.sh"
# shellcheck source-path=SCRIPTDIR source=flasher.sh
. "$here/../common/flasher.sh"
# shellcheck source-path=SCRIPTDIR source=fit.sh
. "$here/../common/fit.sh"

options='[OPTION...]'
suite='' own_kernel='' own_modules='' own_initram='' own_trees=''

board_usage() {
    bundle_usage
    cat <<TEXT

  --suite SUITE       take the kernel from this Debian suite, as bookworm-backports
  --kernel IMAGE      a kernel of your own, not compressed, with --modules or --initram
  --modules ROOT      the folder with its lib/modules (make modules_install INSTALL_MOD_PATH=ROOT)
  --load 'NAME...'    the modules to load instead of: $modules
  --initram FILE      an initramfs of your own
  --dtb NAME=FILE     a device tree of your own for the configuration NAME; repeatable.
                      Configurations: $(configurations)
TEXT
}

# configurations: the names of the FIT's.
configurations() {
    for pair in $device_trees; do
        printf '%s ' "${pair%%=*}"
    done
}

usage_error() {
    say "$*" >&2
    board_usage >&2
    exit 2
}

# own_file FILE: its absolute path.
own_file() {
    [ -r "$1" ] || die "$1 cannot be read"
    readlink -f "$1"
}

add_tree() {
    case " $(configurations)" in *" ${1%%=*} "*) ;; *) usage_error "--dtb: no configuration '${1%%=*}'" ;; esac
    own_trees="$own_trees ${1%%=*}=$(own_file "${1#*=}")"
}

while [ $# -gt 0 ]; do
    case $1 in
    --force) force=yes ;;
    -h | --help) board_usage; exit 0 ;;
    --suite | --kernel | --modules | --load | --initram | --dtb)
        [ $# -gt 1 ] || usage_error "$1 needs a value"
        case $1 in
        --suite) suite=$2 ;;
        --kernel) own_kernel=$(own_file "$2") ;;
        --modules) own_modules=$(own_file "$2") ;;
        --load) modules=$2 ;;
        --initram) own_initram=$(own_file "$2") ;;
        --dtb) add_tree "$2" ;;
        esac
        shift
        ;;
    -*) usage_error "no option $1" ;;
    *) [ -z "$out" ] || usage_error "one OUTDIR, not two"; out=$1 ;;
    esac
    shift
done
[ -n "$out" ] || usage_error "no OUTDIR"
if [ -n "$own_kernel" ]; then
    [ -n "$own_modules$own_initram" ] || usage_error "--kernel needs --modules or --initram"
elif [ "$debian" != yes ]; then
    die "$debian: give your own by --kernel, --modules and --dtb"
fi

# trees: NAME=FILE for each configuration, one's own file before the kernel package's.
trees() {
    for pair in $device_trees; do
        name=${pair%%=*} file=$unpacked/usr/lib/linux-image-$version/${pair#*=}
        for own in $own_trees; do
            [ "${own%%=*}" != "$name" ] || file=${own#*=}
        done
        [ -e "$file" ] || die "Linux $version has no device tree ${pair#*=}: a newer kernel may (--suite" \
            "bookworm-backports), or give one by --dtb $name=FILE"
        printf '%s=%s\n' "$name" "$file"
    done
}

# What is given is an input too.
choice=$(cat /dev/null ${own_kernel:+"$own_kernel"} ${own_initram:+"$own_initram"} | sha256sum | cut -c -16)
choice="$choice $suite $own_modules $modules $own_trees"
bundle_begin "$out"
need apt-get:apt dpkg-deb:dpkg tar:tar cpio:cpio gzip:gzip xz:xz-utils depmod:kmod modprobe:kmod \
    flock:util-linux mkimage:u-boot-tools lz4:lz4 od:coreutils

unpacked=$tmp/unpacked version=own
if [ -z "$own_kernel" ]; then
    apt_root
    flasher_packages linux-image-arm64
    own_kernel=$unpacked/boot/vmlinuz-$version
elif [ -z "$own_initram" ]; then
    apt_root
    flasher_busybox
    mkdir -p "$unpacked/lib"
    cp -a "$own_modules/lib/modules" "$unpacked/lib/modules"
    version=$(ls "$unpacked/lib/modules")
fi
pairs=$(trees)
initram=$own_initram
if [ -z "$initram" ]; then
    initram=$tmp/initramfs.cpio.gz
    # shellcheck disable=SC2086
    flasher_initramfs "$initram" $modules
fi
# shellcheck disable=SC2086
fit_image "$data/flasher.itb" "$own_kernel" "$fit_load" "$initram" $pairs
bundle_end
