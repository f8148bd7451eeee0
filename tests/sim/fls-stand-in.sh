#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A STAND-IN for the `fls` program (github.com/jumpstarter-dev/fls), which cannot be built from
# Debian packages. It takes fls's command line, decodes by the URL's ending as fls does, writes
# with busybox, and talks like fls, so that jflash's side of the method can be tested. A test
# that wants it to fail sets FAULT in a copy. What it was called with is left in
# /tmp/fls-stand-in.args, and who asks a registry in /tmp/fls-stand-in.login: of an image in
# one it gets the manifest's only layer with curl, logged in by Basic.
FAULT=

die() {
    echo "Error: $*" >&2
    echo "Result: FLASH_FAILED"
    exit 1
}

[ "$1" != --help ] || { echo "STAND-IN for fls: from-url [OPTIONS] URL DEVICE"; exit 0; }
[ "$1" = from-url ] || die "unrecognized subcommand '$1'"
echo "$*" >/tmp/fls-stand-in.args
shift

tls='' direct=
while [ $# -gt 2 ]; do
    case $1 in
    -n) ;;
    -i) shift ;;
    -k) tls="$tls -k" ;;
    --cacert) tls="$tls --cacert $2"; shift ;;
    --file-pattern) shift ;;
    --o-direct) direct=oflag=direct ;;
    *) die "unexpected argument '$1' found" ;;
    esac
    shift
done
url=$1 device=$2

echo "Block flash command:"
echo "  URL: $url"
echo "  Device: $device"
case $url in
*.gz) decoder='zcat' ;;
*.xz) decoder='xzcat' ;;
*) decoder='cat' ;;
esac
case $url in
oci://*)
    echo "$FLS_REGISTRY_USERNAME:$FLS_REGISTRY_PASSWORD" >/tmp/fls-stand-in.login
    ref=${url#oci://} host=${ref%%/*} rest=${ref#*/}
    base=https://$host/v2/${rest%%@*}
    tls="$tls -u $FLS_REGISTRY_USERNAME:$FLS_REGISTRY_PASSWORD"
    # shellcheck disable=SC2086
    layer=$(curl -qfsS $tls -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
        "$base/manifests/${rest#*@}" | sed 's/.*"layers"//; s/.*"digest": *"\(sha256:[0-9a-f]*\)".*/\1/')
    url=$base/blobs/$layer ;;
esac
echo "Using decompressor: $decoder" >&2
[ -b "$device" ] || die "No such file or directory (os error 2)"
case $FAULT in
panic)
    echo "thread 'main' panicked at src/fls/block_writer.rs:1:1: the stand-in was told to" >&2
    exit 0 ;;
hang)
    echo "Download: 0.00 MB | Written: 0.00 MB | 0.00 MB/s"
    sleep 600 ;;
esac

fetch() {
    if command -v curl >/dev/null; then
        # shellcheck disable=SC2086
        curl -qfsSL $tls "$url"
    else
        wget -q -O - "$url"
    fi
}

# Direct writes come in whole blocks: the last one is filled with zeros, as fls does.
[ -n "$direct" ] && how="bs=4096 oflag=direct conv=sync" || how="bs=64k conv=fsync"
# shellcheck disable=SC3040 # busybox has it
set -o pipefail
# shellcheck disable=SC2086
fetch | $decoder | dd of="$device" iflag=fullblock $how 2>dd.stand-in ||
    die "$(grep -i 'error' dd.stand-in || echo "a part of the transfer failed")"
sync
echo "Download: Done | Decompressed: Done | Written: 1.00 MB | 1.00 MB/s"
echo "Write complete: 4.71 MB in 1.00s (4.71 MB/s)"
[ "$FAULT" != status ] || die "the stand-in was told to"
echo "Result: FLASH_COMPLETED"
