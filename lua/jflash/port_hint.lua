-- SPDX-License-Identifier: Apache-2.0
--
-- What a person can do when a serial port could not be opened.

local errors = require("jflash.errors")

local M = {}

local function for_denied(message)
    local group = message:match("of user %S+ and group (%S+), ")
    if not group or group == "root" then
        return "a udev rule gives the port to a group: docs/host-setup.md has it"
    end
    return ('sudo usermod -aG %s "$USER", then log in again (id shows the groups)'):format(group)
end

local function for_busy(message)
    local pid = message:match("%(pid (%d+), ")
    if message:find("jflash (pid ", 1, true) then
        return "wait for that run, or look at it: jflash console --watch --board NAME"
    end
    return pid and ("end that program (kill %s): one program at a time reads a port"):format(pid) or nil
end

local hints = { EACCES = for_denied, EPERM = for_denied, EBUSY = for_busy }

--- The hint for a failure to open a port; nil when there is none.
---@param message string
---@param errno string|nil
---@return string|nil
function M.of(message, errno)
    local hint = hints[errno]
    return hint and hint(message)
end

--- Returns what jflash.console.open returned unless it failed; then raises, with a hint.
---@param prefix string|nil  goes before the message
---@param raw any|nil
---@param message string|nil
---@param code string|nil
---@param errno string|nil
---@return any raw
function M.check(prefix, raw, message, code, errno)
    if raw ~= nil then
        return raw
    end
    return errors.raise({ class = "host", code = code, errno = errno, message = (prefix or "") .. message,
        hint = M.of(message, errno) })
end

return M
