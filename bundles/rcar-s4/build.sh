#!/bin/sh
# shellcheck disable=SC2034
# SPDX-License-Identifier: Apache-2.0
#
# Builds the flasher bundle of Renesas' R-Car S4 boards from a kernel of your own and busybox.
set -eu

prog=build.sh
here=$(cd "$(dirname "$0")" && pwd)
board="rcar-s4"
fit_load=0x48200000
device_trees='spider=renesas/r8a779f0-spider.dtb s4sk=renesas/r8a779f4-s4sk.dtb'
modules='gpio-rcar fixed renesas_sdhi_internal_dmac mmc_block r8a779f0-ether-serdes marvell10g rswitch
    af_packet'
debian="Debian's kernels are built without R-Car S4 (r8a779f0) and its Ethernet switch"

# shellcheck source-path=SCRIPTDIR source=../common/board.sh
. "$here/../common/board.sh"
