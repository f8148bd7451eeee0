-- SPDX-License-Identifier: Apache-2.0
--
-- A run's result as people read it.
local cli = require("jflash.cli")
local text = require("jflash.report.text")

describe("the list of runs", function()
    it("keeps its columns, whatever command a run was of", function()
        local width
        for _, command in ipairs(cli.commands()) do
            local row = text.row("20261130T214715Z-bench-3-a4ac", { command = command, status = 0, result = "failed" })
            local column = assert(row:find("failed", 1, true))
            width = width or column
            assert.equal(width, column, row)
        end
    end)
end)
