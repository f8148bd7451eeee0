-- SPDX-License-Identifier: Apache-2.0
--
-- The recipe of `jflash dump` as a script: `jflash run dump.lua FILE --board NAME`.
-- Copy it, and change what your board needs: docs/recipes.md says how.

return require("jflash.recipe.dump"):derive()
