-- SPDX-License-Identifier: Apache-2.0
--
-- What the benches share: rows for tests/bench/table.lua, and the median.
local json = require("jflash.json")

local M = {}

--- Prints a row, as JSON on one line.
---@param row table what, unit, ours, peer, theirs, ratio, must, aim, better; or what, skipped
function M.report(row)
    print(json.encode(row))
    io.stdout:flush()
end

---@param values number[] sorted by this
---@return number
function M.median(values)
    table.sort(values)
    return values[(#values + 1) // 2]
end

return M
