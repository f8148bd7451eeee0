#!/bin/sh
# shellcheck disable=SC2034
# SPDX-License-Identifier: Apache-2.0
#
# Builds the flasher bundle of NXP's S32G3 boards from a kernel of your own and busybox.
set -eu

prog=build.sh
here=$(cd "$(dirname "$0")" && pwd)
board="nxp-s32g3"
fit_load=0x80000000
device_trees='s32g3=freescale/s32g399a-rdb3.dtb'
modules='sdhci-esdhc-imx mmc_block dwmac-s32 micrel af_packet'
debian="Debian's kernels are built without NXP's S32 family"

# shellcheck source-path=SCRIPTDIR source=../common/board.sh
. "$here/../common/board.sh"
