-- SPDX-License-Identifier: Apache-2.0
--
-- What flash and dump share: a file for a whole device or -t PART:FILE for others,
-- and how a run's result is told.

local errors = require("jflash.errors")
local log = require("jflash.log")

local M = {}

local function refuse(message, hint)
    errors.raise({ class = "config", code = "usage", message = message, hint = hint })
end

--- FILE for a whole device, or what -t names, PART:FILE each.
---@param file string|nil    the argument
---@param parts string[]     of -t
---@param words {name: string, what: string, example: string}  how the command calls the argument
---@return {image: string, part: string|nil}[]
function M.settle(file, parts, words)
    if #parts == 0 then
        if not file then
            refuse(("no %s was named"):format(words.what),
                ("jflash %s, or -t PART:FILE for a partition"):format(words.example))
        end
        return { { image = file } }
    elseif file then
        refuse(("%s and -t exclude each other"):format(words.name), "-t takes its file behind the colon")
    end
    local pieces = {}
    for index, text in ipairs(parts) do
        local part, image = text:match("^([^:]+):(.+)$")
        if not part then
            refuse(("-t %s: expected PART:FILE"):format(text), "as in -t boot:boot.img.xz")
        end
        pieces[index] = { part = part, image = image }
    end
    return pieces
end

--- Says what a run came to, to people and to machines.
---@param board table
---@param report jflash.Report
function M.tell(board, report)
    log.result(board.name .. ": " .. report:result(), report:fields())
    if not log.is_json() then
        log.raw(report:summary(board.name))
    end
end

return M
