-- SPDX-License-Identifier: Apache-2.0
--
-- The one error object that the choreography raises.

local M = {}

local registry = debug.getregistry()
local metatable = registry["jflash.error"] or {}
registry["jflash.error"] = metatable

function metatable.__tostring(err)
    return tostring(err.message)
end

---Raises an error object.
---@param fields { class: string, code: string?, message: string, hint: string? }
function M.raise(fields)
    error(setmetatable(fields, metatable), 0)
end

---Returns `value`, or raises when it is nil or false.
function M.check(class, value, message, code, hint)
    if value then
        return value
    end
    M.raise({ class = class, code = code, message = message, hint = hint })
end

---Tells an error object from a Lua error.
function M.is(err)
    return getmetatable(err) == metatable
end

return M
