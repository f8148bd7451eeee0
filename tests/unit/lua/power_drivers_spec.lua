-- SPDX-License-Identifier: Apache-2.0
--
-- jflash power --list and --help DRIVER.
local powers = require("jflash.power")
local sys = require("jflash.sys")

local PROGRAM = sys.process_exe(sys.pid())

local function run(...)
    return assert(sys.run({ PROGRAM, "power", ... }))
end

describe("jflash power", function()
    it("lists every driver with what it is", function()
        local result = run("--list")
        assert.equal(0, result.status, result.stderr)
        local listed = {}
        for name, summary in result.stdout:gmatch("([%w-]+) +([^\n]+)\n") do
            table.insert(listed, name)
            assert.equal(powers.driver(name).summary, summary)
        end
        assert.same(powers.types, listed)
    end)

    it("explains every key of every driver", function()
        for _, name in ipairs(powers.types) do
            local result = run("--help", name)
            assert.equal(0, result.status, result.stderr)
            local explained
            for key, rest in result.stdout:gmatch("\n  (power%.[^:]+): [^\n]+(\n[^\n]*)") do
                assert(rest:find("^\n      %S"), ("%s: %s has no meaning"):format(name, key))
                explained = true
            end
            assert(explained or next(powers.driver(name).schema.fields) == nil, name)
        end
    end)

    it("says what there is when the driver or the action is wrong", function()
        local result = run("--help", "comand")
        assert.equal(2, result.status)
        assert.truthy(result.stderr:find("no power driver 'comand' (did you mean 'command'?)", 1, true))
        result = run()
        assert.equal(2, result.status)
        assert.truthy(result.stderr:find("no action was named", 1, true))
        result = run("--help")
        assert.truthy(result.stdout:find("Usage: jflash power", 1, true))
    end)
end)
