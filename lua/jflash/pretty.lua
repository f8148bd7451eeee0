-- SPDX-License-Identifier: Apache-2.0
--
-- Lua values as people read them: short tables on one line, others with a line for
-- each entry, keys sorted, no deeper than a screen can bear.

local M = {}

local WIDTH = 80
local DEPTH = 3
local ENTRIES = 50

local escapes = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\27"] = "\\e", ['"'] = '\\"', ["\\"] = "\\\\" }

local function quoted(text)
    return '"' .. text:gsub('[%c"\\]', function(char)
        return escapes[char] or ("\\x%02x"):format(char:byte())
    end) .. '"'
end

local function is_name(key)
    return type(key) == "string" and key:find("^[%a_][%w_]*$") ~= nil
end

-- Numbers first, then by text.
local function before(a, b)
    local x, y = type(a) == "number", type(b) == "number"
    if x ~= y then
        return x
    end
    return x and a < b or not x and tostring(a) < tostring(b)
end

local function sorted_keys(value)
    local keys = {}
    for key in next, value do
        table.insert(keys, key)
    end
    table.sort(keys, before)
    return keys
end

local render

local function entry(value, key, depth, seen)
    local text = render(value[key], depth + 1, seen)
    if math.type(key) == "integer" and key >= 1 and key <= #value then
        return text
    elseif is_name(key) then
        return key .. " = " .. text
    end
    return ("[%s] = %s"):format(render(key, depth + 1, seen), text)
end

local function entries_of(value, depth, seen)
    local entries, keys = {}, sorted_keys(value)
    for index, key in ipairs(keys) do
        if index > ENTRIES then
            table.insert(entries, ("… (%d more)"):format(#keys - ENTRIES))
            break
        end
        table.insert(entries, entry(value, key, depth, seen))
    end
    return entries
end

local function render_table(value, depth, seen)
    if seen[value] or depth >= DEPTH then
        return next(value) == nil and "{}" or "{…}"
    end
    seen[value] = true
    local entries = entries_of(value, depth, seen)
    seen[value] = nil
    local line = "{ " .. table.concat(entries, ", ") .. " }"
    if #entries == 0 then
        return "{}"
    elseif #line + 2 * depth <= WIDTH and not line:find("\n", 1, true) then
        return line
    end
    local indent = ("  "):rep(depth)
    return ("{\n%s  %s\n%s}"):format(indent, table.concat(entries, ",\n  " .. indent), indent)
end

function render(value, depth, seen)
    if type(value) == "string" then
        return quoted(value)
    elseif type(value) == "table" and not (getmetatable(value) or {}).__tostring then
        return render_table(value, depth, seen)
    elseif type(value) == "function" then
        return "function"
    end
    return tostring(value)
end

--- A value as text. A string that stands alone is the text itself.
---@param value any
---@return string
function M.text(value)
    if type(value) == "string" then
        return value
    end
    return render(value, 0, {})
end

return M
