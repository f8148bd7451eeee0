-- SPDX-License-Identifier: Apache-2.0
--
-- The table of faults in tests/e2e/README.md: it has each of them, and the tests that
-- it names exist.
local sys = require("jflash.sys")

local FAULTS = 21

local function rows()
    local found = {}
    for line in assert(sys.read_file("tests/e2e/README.md")):gmatch("[^\n]+") do
        local fault, test, file = line:match("^| (.-) ?| (.-) | ?`?(.-)`? ?|$")
        if test and test ~= "test" then
            table.insert(found, { number = tonumber(fault:match("^(%d+)%.")), fault = fault, test = test,
                file = file:find("/") and file or "tests/e2e/" .. file })
        end
    end
    return found
end

describe("the table of faults", function()
    it("has each fault once, in order", function()
        local last = 0
        for _, row in ipairs(rows()) do
            assert.is_true(row.number == last + 1 or row.fault == "", row.fault)
            last = row.number or last
        end
        assert.equal(FAULTS, last)
    end)

    it("names tests that exist", function()
        for _, row in ipairs(rows()) do
            local text = assert(sys.read_file(row.file))
            assert.truthy(text:find('"' .. row.test, 1, true), row.file .. " has no test: " .. row.test)
        end
    end)
end)
