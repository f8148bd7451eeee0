-- SPDX-License-Identifier: Apache-2.0
--
-- Another architecture by the same recipe: what differs is the bundle's manifest
-- (bootz, a zImage) and the board's file (the machine).
local sys = require("jflash.sys")
local virtual = require("tests.support.virtual")

describe("the 32 bit virtual board", function()
    it("is flashed on its SD card, from a 32 bit system", function()
        local bench <close> = virtual.bench("qemu-arm")
        local bytes = (2 << 20) + 99
        local path, digest = bench:random_image("a.xz", bytes)
        local recipe = bench.dir .. "/machine.lua"
        assert(sys.write_file(recipe, [[
            local recipe = require("jflash.recipe.flash"):derive()
            recipe:after("login", function(dut)
                dut.log.info("the flasher's machine is %s", dut.shell:run("uname -m"))
            end)
            return recipe
        ]]))
        local result = bench:jflash({ "run", recipe, "--target", "mmc", path })
        bench:assert_flashed(result, bench.card, bytes, digest)
        assert.truthy(result.stderr:find("the flasher's machine is armv7l", 1, true), result.stderr)
    end)
end)
