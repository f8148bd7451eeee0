#!/bin/sh
# shellcheck disable=SC2034
# SPDX-License-Identifier: Apache-2.0
#
# Builds the flasher bundle of TI's J784S4 boards from Debian's kernel and busybox. Needs a kernel
# that has their device trees: --suite bookworm-backports on Debian 12.
set -eu

prog=build.sh
here=$(cd "$(dirname "$0")" && pwd)
board="ti-j784s4"
fit_load=0x82000000
device_trees='j784s4=ti/k3-j784s4-evm.dtb am69=ti/k3-am69-sk.dtb'
# The SD card's voltages hang on a fixed and a GPIO regulator, behind an I2C expander.
modules='i2c-omap fixed gpio-regulator sdhci_am654 mux-mmio phy-gmii-sel davinci_mdio dp83867
    ti-am65-cpsw-nuss'
debian=yes

# shellcheck source-path=SCRIPTDIR source=../common/board.sh
. "$here/../common/board.sh"
