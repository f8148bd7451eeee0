-- SPDX-License-Identifier: Apache-2.0
--
-- The recipe of `jflash bootloader-shell` as a script, with the same options:
--
--     jflash run bootloader-shell.lua --board NAME -- printenv bootcmd

return require("jflash.recipe.bootloader_shell"):derive()
