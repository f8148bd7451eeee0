-- SPDX-License-Identifier: Apache-2.0
--
-- Headings for the options of the commands that boot a board: their lists are long.
-- A command has those that it takes of each; what stands nowhere here comes last.

local M = {}

local GROUPS = {
    { "Which board", "--board", "--config", "--set" },
    { "What is written, and where", "--part", "--target", "--format", "--os-image-checksum",
        "--os-image-checksum-file", "--file-pattern", "--force" },
    { "What is fetched, and from whom", "--cacert", "--insecure-tls", "--header", "--bearer", "--bearer-file",
        "--plain-http", "--verify-key", "--offline", "--dut-fetch", "--force-exporter-http" },
    { "How it is written", "--method", "--fls-version", "--fls-binary-url", "--fls-sha256", "--preflash",
        "--no-verify" },
    { "What the board boots", "--variant", "--kernel", "--initram", "--dtb", "--force-flash-bundle",
        "--allow-bundle-recipe" },
    { "The run", "--dry-run", "--retries", "--timeout", "--wait", "--power-off", "--no-power-off" },
    { "What is shown and kept", "--console-debug", "--log-format", "--quiet", "--run-dir", "--help" },
}

-- The command's options by their long names.
local function by_name(command)
    local options = {}
    for _, option in ipairs(command._options) do
        options[option._aliases[#option._aliases]] = option
    end
    return options
end

--- Puts the options of a command that boots a board under headings; of another, does nothing.
---@param command table of argparse, with its options
function M.apply(command)
    local options = by_name(command)
    if not options["--retries"] then
        return
    end
    for _, group in ipairs(GROUPS) do
        local members = {}
        for index = 2, #group do
            members[#members + 1] = options[group[index]]
        end
        if #members > 0 then
            command:group(group[1], table.unpack(members))
        end
    end
end

return M
