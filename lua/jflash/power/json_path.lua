-- SPDX-License-Identifier: Apache-2.0
--
-- Finds a value in what a device answered: keys behind dots, list positions from 0 in
-- brackets. Paths behind | are tried in turn, since firmware differs.
--
--     json_path.find('{"meters": [{"power": 4.2}]}', "meters[0].power")  --> 4.2

local json = require("jflash.json")

local M = {}

-- Nil behind what is no table; false is a value like others.
local function child(value, key)
    if type(value) == "table" then
        return value[key]
    end
    return nil
end

local function step(value, part)
    local key, positions = part:match("^([^%[]*)(.*)$")
    if key ~= "" then
        value = child(value, key)
    end
    for position in positions:gmatch("%[(%d+)%]") do
        value = child(value, tonumber(position) + 1)
    end
    return value
end

--- The value at `path`; without one the text itself. Nil when there is none.
---@param text string
---@param path string|nil
---@return any
function M.find(text, path)
    if not path then
        return (text:gsub("^%s+", ""):gsub("%s+$", ""))
    end
    local document = json.decode(text)
    for alternative in path:gmatch("[^|]+") do
        local value = document
        for part in alternative:gmatch("[^.]+") do
            value = step(value, part)
        end
        if value ~= nil and value ~= json.null then
            return value
        end
    end
    return nil
end

return M
