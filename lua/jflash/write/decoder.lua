-- SPDX-License-Identifier: Apache-2.0
--
-- What decodes an image on the board.

local M = {}

-- First choice first.
local COMMANDS = {
    raw = { "cat" },
    xz = { "xzcat", "xz -dc" },
    gzip = { "zcat", "gzip -dc" },
    bzip2 = { "bzcat", "bzip2 -dc" },
    zstd = { "zstdcat", "zstd -dc" },
    lz4 = { "lz4cat", "lz4 -dc" },
}

--- The command that decodes its input; nil when the board has none.
---@param shell jflash.Shell
---@param format string
---@return string|nil
function M.find(shell, format)
    for _, command in ipairs(COMMANDS[format] or {}) do
        if shell:test(("command -v %s >/dev/null"):format(command:match("^%S+"))) then
            return command
        end
    end
end

return M
