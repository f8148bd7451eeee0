-- SPDX-License-Identifier: Apache-2.0
--
-- An example of a recipe of one's own: a board that is stopped by one key at the
-- right moment, and a line about the flasher in the log.

local recipe = require("jflash.recipe.flash"):derive()

function recipe.interrupt(dut)
    dut.console:expect("Hit any key to stop autoboot", { timeout_s = 30 })
    dut.console:send("s")
    dut.uboot:wait_prompt()
    dut.uboot:settle()
end

recipe:after("login", function(dut)
    dut.log.info("the flasher runs %s", (dut.shell:run("uname -sr"):gsub("%s+$", "")))
end)

return recipe
