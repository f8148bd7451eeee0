-- SPDX-License-Identifier: Apache-2.0
--
-- The stock recipe as a script: `jflash run flash.lua IMAGE --board NAME` does what
-- `jflash flash` does. Copy it, and change what your board needs:
-- docs/recipes.md says how, keyed-autoboot.lua is an example.

return require("jflash.recipe.flash"):derive()
