-- SPDX-License-Identifier: Apache-2.0
--
-- Plain values as Lua source on one line, for the log, the options and the
-- requests; `load` reads them back.
local M = {}

local function order(a, b)
    if type(a) == type(b) then
        return a < b
    end
    return type(a) == "number"
end

--- The source of `value`: nil, a boolean, a number, a string, or a table of these.
function M.of(value)
    if type(value) == "string" then
        return (("%q"):format(value):gsub("\\\n", "\\n"):gsub("\r", "\\r"):gsub("\0", "\\0"))
    end
    if type(value) ~= "table" then
        assert(value == nil or type(value) == "boolean" or type(value) == "number", type(value))
        return value == math.huge and "math.huge" or tostring(value)
    end
    local names, parts = {}, {}
    for name in pairs(value) do
        names[#names + 1] = name
    end
    table.sort(names, order)
    for _, name in ipairs(names) do
        parts[#parts + 1] = ("[%s]=%s"):format(M.of(name), M.of(value[name]))
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

--- The value of source that `of` made.
function M.value(source)
    return assert(load("return " .. source, "=literal", "t", { math = math }))()
end

return M
