-- SPDX-License-Identifier: Apache-2.0
--
-- docs/power.md: its table is that of the drivers, and its example is a driver.
local powers = require("jflash.power")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local ROOT = arg[0]:match("^(.*)tests/busted%.lua$")
local TEXT = assert(sys.read_file(ROOT .. "docs/power.md"))

describe("the documentation of power drivers", function()
    it("has every driver with its summary", function()
        local rows, expected = {}, {}
        for name, summary in TEXT:match("\n|%-%-%-|%-%-%-|\n(.-)\n\n"):gmatch("| `([%w-]+)` | ([^\n]+) |") do
            table.insert(rows, name .. ": " .. summary)
        end
        for _, name in ipairs(powers.types) do
            table.insert(expected, name .. ": " .. powers.driver(name).summary)
        end
        assert.same(expected, rows)
    end)

    it("says which driver cannot tell its state", function()
        assert.is_nil(powers.open({ type = "manual" }, { name = "bench" }).device.state)
        assert.is_nil(powers.open({ type = "command", on = "true", off = "true" }, { name = "bench" }):state())
    end)

    describe("has an example", function()
        local scratch

        local function jflash(...)
            return assert(sys.run({ sys.process_exe(sys.pid()), "--config", scratch:file("jflash.yaml"), ... },
                { env = { JFLASH_PATH = scratch:file("modules"), XDG_STATE_HOME = scratch:file("state") } }))
        end

        setup(function()
            scratch = scratches.new()
            local example = TEXT:match("```lua\n(%-%- jflash/power/my_relay%.lua\n.-)```")
            local config = TEXT:match("\n    (power: {type: my%-relay[^\n]*})\n")
            scratch:sh("mkdir -p modules/jflash/power")
            scratch:write("modules/jflash/power/my_relay.lua", example)
            scratch:write("jflash.yaml", ("boards:\n  bench:\n    console: {device: /dev/null}\n    %s\n"):format(
                config:gsub("/sys/class/leds/relay%-1/brightness", scratch:file("brightness"))))
        end)

        teardown(function()
            scratch:close()
        end)

        it("that switches, tells the state, and is explained", function()
            scratch:write("brightness", "0\n")
            local result = jflash("power", "on", "--board", "bench")
            assert.equal(0, result.status, result.stderr)
            assert.equal("1", scratch:read("brightness"))
            assert.equal("on\n", jflash("power", "state", "--board", "bench").stdout)
            result = jflash("power", "off", "--board", "bench")
            assert.equal(0, result.status, result.stderr)
            assert.equal("0", scratch:read("brightness"))
            assert.equal("off\n", jflash("power", "state", "--board", "bench").stdout)
            assert.truthy(jflash("power", "--help", "my-relay").stdout:find("power.path", 1, true))
        end)

        it("whose failures end with status 4", function()
            scratch:sh("rm -f brightness && mkdir brightness")
            local result = jflash("power", "on", "--board", "bench")
            assert.equal(4, result.status, result.stderr)
            assert.truthy(result.stderr:find("brightness: Is a directory", 1, true), result.stderr)
            scratch:sh("rmdir brightness")
        end)
    end)
end)
