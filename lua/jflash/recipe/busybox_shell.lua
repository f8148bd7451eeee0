-- SPDX-License-Identifier: Apache-2.0
--
-- The stock recipe as far as the flasher's shell: the storage is not touched.

return require("jflash.recipe.flash"):derive({
    "prepare_bundle", "start_servers", "power_cycle", "interrupt", "network", "load", "boot", "login",
}, "busybox-shell")
