-- SPDX-License-Identifier: Apache-2.0
--
-- What a person can do when a serial port, or another place of a console, could not be
-- opened.

local access = require("jflash.access")
local errors = require("jflash.errors")

local M = {}

-- The message names the device where it was found by another name (src/console/tty.c).
local function for_denied(message, errno, where)
    local path, user = message:match("(/%S+) is of user (%S+) and group ")
    if path then
        return access.hint(path, errno,
            ("be the user %s, or give the port to a group by a udev rule: docs/host-setup.md"):format(user))
    end
    path = where:match("^unix:(/.*)$") or where
    return path:find("^/") and access.hint(path, errno, ("its owner may, and root: ls -l %s"):format(path)) or nil
end

local function for_busy(message)
    local pid = message:match("%(pid (%d+), ")
    if message:find("jflash (pid ", 1, true) then
        return "wait for that run, or look at it: jflash console --watch --board NAME"
    end
    return pid and ("end that program (kill %s): one program at a time reads a port"):format(pid) or nil
end

local hints = { EACCES = for_denied, EPERM = for_denied, EBUSY = for_busy }

--- Whether opening fails in the same way until a person does something.
---@param errno string|nil
---@return boolean
function M.is_final(errno)
    return hints[errno] == for_denied
end

--- The hint for a failure to open a port; nil when there is none.
---@param message string
---@param errno string|nil
---@param where string|nil  as configured: a path, or "unix:/…"
---@return string|nil
function M.of(message, errno, where)
    local hint = hints[errno]
    return hint and hint(message, errno, where or "")
end

--- Returns what jflash.console.open returned unless it failed; then raises, with a hint.
---@param where string
---@param raw any|nil
---@param message string|nil
---@param code string|nil
---@param errno string|nil
---@return any raw
function M.check(where, raw, message, code, errno)
    if raw ~= nil then
        return raw
    end
    return errors.raise({ class = "host", code = code, errno = errno, message = message,
        hint = M.of(message, errno, where) })
end

return M
