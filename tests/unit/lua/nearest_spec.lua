-- SPDX-License-Identifier: Apache-2.0
local nearest = require("jflash.nearest")

describe("jflash.nearest", function()
    it("finds the closest name, if any is close", function()
        local names = { "console", "power", "tftp", "http", "x" }
        local cases = {
            { "consle", "console" },
            { "Console", "console" },
            { "powr", "power" },
            { "tfpt", "tftp" },
            { "ftp", "tftp" },
            { "y", "x" },
            { "recipe", nil },
            { "", nil },
            { ("x"):rep(100), nil },
        }
        for _, case in ipairs(cases) do
            assert.equal(case[2], nearest.find(case[1], names), case[1])
        end
        assert.equal(" (did you mean 'power'?)", nearest.hint("powre", names))
        assert.equal("", nearest.hint("recipe", names))
    end)
end)
