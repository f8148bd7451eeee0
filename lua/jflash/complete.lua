-- SPDX-License-Identifier: Apache-2.0
--
-- What can stand at the end of a line of Lua: fields of objects behind a dot,
-- methods behind a colon, else globals and keywords.

local sys = require("jflash.sys")

local M = {}

local KEYWORDS = {
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
}
-- A chain of __index that is longer than this is a circle.
local CHAIN = 20
local COLUMNS = 80

local function field(object, name)
    local ok, value = pcall(function() return object[name] end)
    return ok and value or nil
end

-- Adds an object's names to `found`: its own, and those that it inherits.
local function add_names(object, found)
    for _ = 1, CHAIN do
        if type(object) == "table" then
            for key in next, object do
                if type(key) == "string" then
                    found[key] = true
                end
            end
        end
        local meta = debug.getmetatable(object)
        object = type(meta) == "table" and rawget(meta, "__index") or nil
        if type(object) ~= "table" then
            return
        end
    end
end

-- The object that "a.b:" in front of a name leads to.
local function object_of(environment, path)
    local object = environment
    for name in path:gmatch("[%w_]+") do
        object = field(object, name)
        if object == nil then
            return nil
        end
    end
    return object
end

local function is_shown(name, partial)
    return name:sub(1, #partial) == partial and name:find("^[%a_][%w_]*$") and not name:find("^__")
end

local function names_of(object, partial, wants_method)
    local found, names = {}, {}
    add_names(object, found)
    for name in pairs(found) do
        if is_shown(name, partial) and (not wants_method or type(field(object, name)) == "function") then
            table.insert(names, name)
        end
    end
    return names
end

local function globals_of(environment, partial)
    local names = names_of(environment, partial, false)
    for _, word in ipairs(KEYWORDS) do
        if word:sub(1, #partial) == partial then
            table.insert(names, word)
        end
    end
    return names
end

--- The names that may continue a line, sorted, and what of the name is there.
---@param environment table  the globals
---@param line string        up to the cursor
---@return string[] names
---@return string partial
---@return any object  whose fields they are
function M.names(environment, line)
    local path, partial = line:match("([%a_][%w_%.]*[%.:])([%w_]*)$")
    partial = partial or line:match("[%a_][%w_]*$") or ""
    local object = environment
    if path then
        object = object_of(environment, path)
    end
    local names = not path and globals_of(environment, partial)
        or object ~= nil and names_of(object, partial, path:sub(-1) == ":") or {}
    table.sort(names)
    return names, partial, object
end

local function common_start(names)
    local start = names[1]
    for _, name in ipairs(names) do
        while name:sub(1, #start) ~= start do
            start = start:sub(1, -2)
        end
    end
    return start
end

local function in_columns(names)
    local width = 0
    for _, name in ipairs(names) do
        width = math.max(width, #name + 2)
    end
    local per_line = math.max(1, (sys.terminal_size(1) or COLUMNS) // width)
    local lines = {}
    for index, name in ipairs(names) do
        local is_last = index % per_line == 0 or index == #names
        table.insert(lines, is_last and name .. "\n" or name .. (" "):rep(width - #name))
    end
    return table.concat(lines)
end

--- What the completion key does: text to insert at the cursor, or a list to show.
---@param environment table
---@param line string  up to the cursor
---@return string|nil insert
---@return string|nil list
function M.complete(environment, line)
    local names, partial, object = M.names(environment, line)
    if #names == 0 then
        return nil
    end
    local rest = common_start(names):sub(#partial + 1)
    if #names == 1 and type(field(object, names[1])) == "function" then
        rest = rest .. "("
    end
    if rest ~= "" then
        return rest
    end
    return nil, #names > 1 and in_columns(names) or nil
end

return M
