-- SPDX-License-Identifier: Apache-2.0
--
-- Clean-up that happens on every way out: success, failure and Ctrl-C.
--
--     local scope <close> = scopes.new()
--     scope:defer("switch the power off", function() power:off() end)
--     local server = scope:own(http.serve(...))
--
-- While a scope unwinds, cancellation is masked and each clean-up has a deadline
-- of its own. A clean-up that fails is appended to the error on its way out and
-- never hides it; without one it becomes the error.

local errors = require("jflash.errors")
local job = require("jflash.job")

local M = {}

-- Seconds that one clean-up may take.
local CLEANUP_S = 10

---@class jflash.Scope
local Scope = {}
Scope.__index = Scope

---@return jflash.Scope to be closed: `local scope <close> = scopes.new()`
function M.new()
    return setmetatable({ entries = {} }, Scope)
end

--- Registers a clean-up; they run in reverse order.
---@param what string    names it in an error
---@param clean fun()
---@return table handle  for Scope:cancel and Scope:finish
function Scope:defer(what, clean)
    local entry = { what = what, clean = clean }
    table.insert(self.entries, entry)
    return entry
end

--- Closes an object with the scope; returns it.
---@generic T
---@param object T something with a close method
---@param what string|nil
---@return T
function Scope:own(object, what)
    self:defer(what or "close", function()
        object:close()
    end)
    return object
end

--- Forgets a clean-up that is no longer due.
---@param handle table
function Scope:cancel(handle)
    for index, entry in ipairs(self.entries) do
        if entry == handle then
            table.remove(self.entries, index)
            return
        end
    end
end

--- Runs a clean-up now, under the same protection, and forgets it. Raises when it fails.
---@param handle table
function Scope:finish(handle)
    self:cancel(handle)
    local failure = M.unwind(nil, handle.what, handle.clean)
    if failure then
        error(failure, 0)
    end
end

--- Runs one clean-up under its own deadline while `failure` (or nil) unwinds.
--- Returns the error that goes on: `failure`, with a line more when the clean-up
--- failed too; or the clean-up's own error.
---@param failure jflash.Error|nil
---@param what string
---@param clean fun()
---@return jflash.Error|nil
function M.unwind(failure, what, clean)
    local guard <close> = job.mask(CLEANUP_S)
    local ok, reason = xpcall(clean, errors.wrap, guard)
    if ok then
        return failure
    end
    if not failure then
        reason.message = what .. ": " .. reason.message
        return reason
    end
    errors.append_cleanup(failure, what, reason)
    return failure
end

function Scope:__close(failure)
    -- Nothing may come between two clean-ups either; each has a deadline of its own.
    local _ <close> = job.mask(CLEANUP_S * (#self.entries + 1))
    local first = failure ~= nil and errors.wrap(failure) or nil
    local caused = first
    while #self.entries > 0 do
        local entry = table.remove(self.entries)
        caused = M.unwind(caused, entry.what, entry.clean)
    end
    if caused ~= failure then
        error(caused, 0)
    end
end

return M
