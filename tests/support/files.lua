-- SPDX-License-Identifier: Apache-2.0
--
-- Shell commands and whole files, for tests: what fails ends the test.
local sys = require("jflash.sys")

local M = {}

--- Runs a command to its end.
---@param command string
---@return string stdout
function M.shell(command)
    local result = assert(sys.run({ "/bin/sh", "-c", command }, {
        timeout_s = 60, output_limit_bytes = 64 << 20,
    }))
    assert(result.status == 0, command .. ": " .. result.stderr)
    return result.stdout
end

---@param path string
---@return string
function M.read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

---@param path string
---@param bytes string
function M.write(path, bytes)
    local file <close> = assert(io.open(path, "wb"))
    assert(file:write(bytes))
end

return M
