-- SPDX-License-Identifier: Apache-2.0
--
-- The methods of writing, a file each in this folder: `write(dut, piece)` puts a
-- piece's image onto its target and returns how many bytes it wrote and how long
-- that took; it raises when any part of that failed. A method may have `check(dut)`,
-- done before the power is touched, and `prepare(dut)`, done in the flasher's shell
-- before the first destructive step.

local errors = require("jflash.errors")

local M = {}

--- The methods' names, the default first.
M.names = { "shell", "fls" }

--- The run's method.
---@param dut jflash.Dut
---@return {write: fun(dut: jflash.Dut, piece: jflash.Piece): {bytes: integer, elapsed_s: number}}
function M.method(dut)
    local name = dut.options.method or M.names[1]
    for _, known in ipairs(M.names) do
        if known == name then
            return require("jflash.write." .. name)
        end
    end
    return errors.raise({ class = "config", code = "unsupported",
        message = ("no method %q: there is %s"):format(name, table.concat(M.names, ", ")) })
end

local function call(dut, stage)
    local method = M.method(dut)
    if method[stage] then
        method[stage](dut)
    end
end

--- What the run's method wants to refuse before the power is touched.
---@param dut jflash.Dut
function M.check(dut)
    call(dut, "check")
end

--- What the run's method needs on the board before the first destructive step.
---@param dut jflash.Dut with a shell
function M.prepare(dut)
    call(dut, "prepare")
end

return M
