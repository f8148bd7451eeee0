-- SPDX-License-Identifier: Apache-2.0
--
-- The one error object of the choreography. Primitives return nil, message,
-- code when the world fails; the choreography turns that into a raised object
-- that says what failed, where, what was seen and what to do next.
--
--     errors.raise({ class = "board", code = "timeout", message = "…", hint = "…" })
--     local text = errors.check("host", sys.read_file(path))

local job = require("jflash.job")
local log = require("jflash.log")

local M = {}

---@class jflash.Error
---@field class "config"|"source"|"host"|"board"|"image"|"cancelled"|"bug"
---@field code string         what kind of failure: a primitive's code or a word of the choreography
---@field message string
---@field step string|nil     the recipe's step that failed
---@field hint string|nil     what the person can do
---@field console string|nil  the last lines that the board said
---@field retry integer|nil   how often trying again may help: nil as its class says, 0 never
---@field subject string|nil  what failed, where one step does the same with several things
---@field at string|nil       what the board still answers: "uboot" or "shell"
---@field errno string|nil    "ENOSPC", when the operating system refused
---@field cleanup string[]|nil  clean-ups that failed while this error unwound
---@field traceback string|nil  for class "bug"
local Error = { __name = "jflash.error" }
Error.__index = Error

-- The count hook in C raises objects with this metatable (src/runtime/job.c).
debug.getregistry()["jflash.error"] = Error

-- Exit statuses by class. "cancelled" is 128 + the signal's number.
local statuses = { bug = 1, config = 2, source = 3, host = 4, board = 5, image = 6 }

function Error:__tostring()
    return self.message
end

---@return boolean
function M.is(value)
    return getmetatable(value) == Error
end

--- Makes an error object without raising it.
---@param fields table see jflash.Error
---@return jflash.Error
function M.new(fields)
    if fields.code == "cancelled" then
        fields.class = "cancelled"
    end
    return setmetatable(fields, Error)
end

---@param fields table see jflash.Error
function M.raise(fields)
    error(M.new(fields), 0)
end

--- Returns `value` and what follows it unless it is nil; else raises what a
--- primitive said.
---@param class string
---@param value any|nil      the primitive's first result
---@param message any        its message, or its second result
---@param code any           its code, or its third result
---@param detail string|nil  a hint, or the name of an errno, which says no more than the message
function M.check(class, value, message, code, detail)
    if value ~= nil then
        return value, message, code
    end
    local is_errno = detail ~= nil and detail:find("^E%u+$") ~= nil
    return M.raise({
        class = class,
        code = code or "io",
        message = message,
        hint = not is_errno and detail or nil,
        errno = is_errno and detail or nil,
    })
end

--- Any error value as an error object: a plain one is a bug of ours or of a
--- user's own Lua. Use as the handler of xpcall, so that the traceback is there.
---@param value any
---@return jflash.Error
function M.wrap(value)
    if not M.is(value) then
        local text = tostring(value)
        local trace = debug.traceback("", 2):gsub("^\n", "")
        return M.new({ class = "bug", code = "bug", message = text, traceback = trace })
    end
    if not value.class then -- raised by the count hook, between any two instructions
        value.class = value.code == "cancelled" and "cancelled" or "host"
        value.step = value.step or log.current_step()
    end
    return value
end

--- Notes that a clean-up failed while `failure` was unwinding.
---@param failure jflash.Error
---@param what string
---@param reason any
function M.append_cleanup(failure, what, reason)
    failure.cleanup = failure.cleanup or {}
    table.insert(failure.cleanup, what .. ": " .. tostring(reason))
end

local function indent(text)
    return "    " .. text:gsub("\n", "\n    ")
end

--- What a person reads below the message, line by line.
---@param failure jflash.Error
---@param trace string|nil  where in Lua it happened
---@return string[]
function M.details(failure, trace)
    local lines = {}
    if failure.console and failure.console ~= "" then
        table.insert(lines, "  the console's last lines:\n" .. indent(failure.console))
    end
    for _, cleanup in ipairs(failure.cleanup or {}) do
        table.insert(lines, "  and while cleaning up: " .. cleanup)
    end
    if failure.hint then
        table.insert(lines, "  hint: " .. (failure.hint:gsub("\n", "\n        ")))
    end
    if trace then
        table.insert(lines, indent(trace))
    end
    return lines
end

--- The process's exit status for an error.
---@param failure jflash.Error
---@return integer
function M.status(failure)
    if failure.class == "cancelled" then
        return 128 + (job.cancelled() or 2)
    end
    return statuses[failure.class] or statuses.bug
end

return M
