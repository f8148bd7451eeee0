-- SPDX-License-Identifier: Apache-2.0
--
-- What a person can do when a serial port, or another place of a console, could not be
-- opened.

local access = require("jflash.access")
local errors = require("jflash.errors")

local M = {}

-- The message names the device where it was found by another name (src/console/tty.c).
local function for_denied(where, message, errno)
    local path, user = message:match("(/%S+) is of user (%S+) and group ")
    if path then
        return access.hint(path, errno,
            ("be the user %s, or give the port to a group by a udev rule: docs/host-setup.md"):format(user))
    end
    path = where:match("^unix:(/.*)$") or where
    return access.hint(path, errno, ("its owner may, and root: ls -l %s"):format(path))
end

local function for_busy(_, message)
    local pid = message:match("%(pid (%d+), ")
    if message:find("jflash (pid ", 1, true) then
        return "wait for that run, or look at it: jflash console --watch --board NAME"
    end
    return pid and ("end that program (kill %s): one program at a time reads a port"):format(pid) or nil
end

local hints = { EACCES = for_denied, EPERM = for_denied, EBUSY = for_busy }

--- A hint; nil when there is none.
---@param where string  as configured: a path, or "unix:/…"
---@param message string
---@param errno string|nil
---@return string|nil
function M.hint(where, message, errno)
    local hint = hints[errno]
    return hint and hint(where, message, errno)
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
        hint = M.hint(where, message, errno) })
end

return M
