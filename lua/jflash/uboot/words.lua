-- SPDX-License-Identifier: Apache-2.0
--
-- What U-Boot's commands say when they fail.

local M = {}

-- Needed where the shell cannot tell a command's status.
local COMPLAINTS = {
    "Unknown command",
    "Usage:",
    "TFTP error",
    "Retry count exceeded",
    "Retry time exceeded",
    "## Error",
    "ERROR",
    "Abort",
    "Bad Linux",
}

--- The words in a command's output that say that it failed, or nil.
---@param output string
---@return string|nil
function M.complaint(output)
    for _, text in ipairs(COMPLAINTS) do
        if output:find(text, 1, true) then
            return text
        end
    end
end

-- What to do about what U-Boot says.
local ADVICE = {
    {
        "gatewayip needed but not set",
        "the board has no gateway, and what it asks is not on its network: set network.gateway, or "
            .. "let tftp.board_host be an address of this host there",
    },
}

--- What to do about what a command said, or nil.
---@param output string
---@return string|nil
function M.advice(output)
    for _, entry in ipairs(ADVICE) do
        if output:find(entry[1], 1, true) then
            return entry[2]
        end
    end
end

--- The line of a command's output that says best why it failed.
---@param output string
---@return string
---@return string|nil before  the line before, which may say more
function M.reason(output)
    local last, before
    for line in output:gmatch("[^\n]*%S[^\n]*") do
        last, before = line, last
        if M.complaint(line) then
            break
        end
    end
    return last or "no output", before
end

return M
