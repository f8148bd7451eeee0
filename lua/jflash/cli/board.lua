-- SPDX-License-Identifier: Apache-2.0
--
-- The board that a command's options choose, and what the person should know of
-- where its configuration came from.

local config = require("jflash.config")
local log = require("jflash.log")

local M = {}

--- The configuration of the chosen board. Raises class config.
---@param values table of a parser with options.board
---@return jflash.board
function M.choose(values)
    local board = config.board(values.board, { config = values.config, set = values.set })
    for _, file in ipairs(board.files) do
        log.info("configuration read from %s", file)
    end
    for _, warning in ipairs(board.warnings) do
        log.warn("%s", warning)
    end
    return board
end

return M
