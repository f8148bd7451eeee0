-- SPDX-License-Identifier: Apache-2.0

local shell = require("jflash.cli.shell")

local M = {}

function M.define(command)
    shell.define(command, {
        "jflash busybox-shell --board qemu-arm64",
        "jflash busybox-shell --board qemu-arm64 -- uname -a",
        "jflash busybox-shell --board qemu-arm64 < script.sh",
    })
end

---@param values table
---@param recipe jflash.Recipe|nil  nil: the stock one, over the board's own
---@return integer status
function M.run(values, recipe)
    return shell.run(values, "busybox", recipe)
end

return M
