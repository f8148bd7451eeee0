-- SPDX-License-Identifier: Apache-2.0
--
-- The methods of writing, a file each in this folder: `write(dut, piece)` puts a
-- piece's image onto its target and returns how many bytes it wrote and how long
-- that took; it raises when any part of that failed.

local errors = require("jflash.errors")

local M = {}

--- The methods' names, the default first.
M.names = { "shell" }

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

return M
