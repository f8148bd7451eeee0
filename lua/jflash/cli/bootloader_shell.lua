-- SPDX-License-Identifier: Apache-2.0

local shell = require("jflash.cli.shell")

local M = {}

function M.define(command)
    shell.define(command, {
        "jflash bootloader-shell --board qemu-arm64",
        "jflash bootloader-shell --board qemu-arm64 -- printenv bootcmd",
        "jflash bootloader-shell --board qemu-arm64 < commands.txt",
    })
end

---@param values table
---@param recipe jflash.Recipe|nil  nil: the stock one, over the board's own
---@return integer status
function M.run(values, recipe)
    return shell.run(values, "bootloader", recipe)
end

return M
