# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
#
# A FIT: kernel, initramfs and device trees in one file, which U-Boot's bootm takes apart. Sourced
# after lib.sh; $arch must be a name that FITs know too, as arm64 is.

# Where the compressed kernel begins in the FIT, for boot commands that unpack it by themselves:
# it is the first thing there, and nothing before it depends on the board.
fit_kernel_offset=0xa0

# fit_node NAME FILE TYPE PROPERTIES: one image, with its checksum.
fit_node() {
    cat <<ITS
        $1 {
            data = /incbin/("$2");
            type = "$3";
            arch = "$arch";
            $4
            hash { algo = "sha256"; };
        };
ITS
}

# fit_source KERNEL LOAD INITRD NAME=DTB...: the description that mkimage reads. KERNEL is
# compressed by lz4 and goes to the address LOAD. Each device tree makes a configuration NAME, the
# first one the default.
fit_source() {
    kernel_file=$1 load=$2 initrd_file=$3
    shift 3
    printf '/dts-v1/;\n/ {\n    description = "jflash flasher";\n    #address-cells = <1>;\n'
    printf '    images {\n'
    fit_node kernel "$kernel_file" kernel \
        "os = \"linux\"; compression = \"lz4\"; load = <$load>; entry = <$load>;"
    fit_node initrd "$initrd_file" ramdisk 'os = "linux"; compression = "none";'
    for pair; do
        fit_node "fdt-${pair%%=*}" "${pair#*=}" flat_dt 'compression = "none";'
    done
    printf '    };\n    configurations {\n        default = "%s";\n' "${1%%=*}"
    for pair; do
        name=${pair%%=*}
        printf '        %s { kernel = "kernel"; ramdisk = "initrd"; fdt = "fdt-%s"; };\n' "$name" "$name"
    done
    printf '    };\n};\n'
}

# fit_image FILE IMAGE LOAD INITRD NAME=DTB...: as fit_source, from a kernel that is not compressed.
fit_image() {
    say "making the FIT"
    file=$1
    # U-Boot reads lz4's frames, with blocks that do not depend on each other.
    lz4 -q -9 -BI -f "$2" "$tmp/kernel.lz4"
    load=$3
    shift 3
    fit_source "$tmp/kernel.lz4" "$load" "$@" >"$tmp/flasher.its"
    SOURCE_DATE_EPOCH=0 quietly mkimage -f "$tmp/flasher.its" "$file"
    found=$(od -A n -t x4 -N 4 --endian=big -j $((fit_kernel_offset)) "$file" | tr -d ' ')
    [ "$found" = 04224d18 ] || die "the FIT's kernel is not at offset $fit_kernel_offset"
}
