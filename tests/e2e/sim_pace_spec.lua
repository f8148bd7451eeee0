-- SPDX-License-Identifier: Apache-2.0
--
-- How fast is typed: what one run learns, the next one knows.
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

local FILE = ".local/state/jflash/boards/sim/pace.json"

describe("a pace that was learned", function()
    it("is kept for the board's next run, which starts with it and types no line twice", function()
        local bench <close> = support.bench()
        local image = bench:image("disk.img")
        -- As if lines were damaged whenever a faster pace is tried.
        local first = bench:run_recipe([[recipe:before("resolve_target", function(dut)
            dut.pace:damaged()
            dut.pace.trial = 1000
        end)]], { image })
        assert.equal(0, first.status, first.stderr)
        assert.falsy(first.stderr:find("as learned", 1, true), first.stderr)
        assert.truthy(support.read(bench:path(FILE)):find("400", 1, true))
        local second = bench:flash({ image })
        assert.equal(0, second.status, second.stderr)
        assert.truthy(second.stderr:find("typing starts at 400 characters per second", 1, true), second.stderr)
        assert.falsy(second.stderr:find("typing it again", 1, true), second.stderr)
    end)

    it("that cannot be read is ignored with a warning", function()
        local bench <close> = support.bench()
        assert(sys.mkdir(bench:path(FILE):match("^(.*)/"), { parents = true }))
        support.write(bench:path(FILE), "{")
        local result = bench:flash({ bench:image("disk.img") })
        assert.equal(0, result.status, result.stderr)
        assert.truthy(result.stderr:find("pace.json is ignored", 1, true), result.stderr)
    end)
end)
