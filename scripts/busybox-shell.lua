-- SPDX-License-Identifier: Apache-2.0
--
-- The recipe of `jflash busybox-shell` as a script, with the same options:
--
--     jflash run busybox-shell.lua --board NAME -- uname -a

return require("jflash.recipe.busybox_shell"):derive()
