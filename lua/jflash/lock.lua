-- SPDX-License-Identifier: Apache-2.0
--
-- Locks between runs on this host, across users: one run per board, one turn at
-- the TFTP port. The kernel releases them when the holder dies.

local errors = require("jflash.errors")
local image = require("jflash.image")
local log = require("jflash.log")
local sys = require("jflash.sys")

local M = {}

local function directory()
    for _, path in ipairs({ "/run/lock", "/var/lock", "/tmp" }) do
        local info = sys.stat(path)
        if info and info.type == "dir" then
            return path
        end
    end
    errors.raise({ class = "host", message = "neither /run/lock nor /tmp is there for lock files" })
end

local function owner_text()
    return ("pid %d, user %s, since %s"):format(
        sys.pid(), sys.user() or sys.uid(), os.date("%Y-%m-%d %H:%M:%S"))
end

--- The name of a board's lock: what tells it from others on this host is its
--- console and its power device.
---@param board table
---@param power table the power driver
---@return string
function M.board_name(board, power)
    return ("board %s %s"):format(board.console.device, power.identity or board.power.type)
end

--- Takes the lock `name`; raises class host, naming the holder, when it is taken.
---@param name string
---@param options {wait_s: number|nil, what: string}
---@return table lock  with :close()
function M.take(name, options)
    local path = ("%s/jflash-%s.lock"):format(directory(), image.sha256(name):sub(1, 20))
    local lock, message, code, holder = sys.lock(path, { owner = owner_text() })
    if not lock and code == "timeout" and (options.wait_s or 0) > 0 then
        log.info("%s is in use (%s): waiting up to %g s", options.what, holder, options.wait_s)
        lock, message, code, holder = sys.lock(path, {
            owner = owner_text(),
            wait_s = options.wait_s,
        })
    end
    if lock then
        return lock
    end
    if code ~= "timeout" then
        errors.raise({ class = "host", code = code, message = message })
    end
    return errors.raise({
        class = "host",
        code = "busy",
        message = ("%s is in use: %s"):format(options.what, holder or "another run"),
        hint = "wait for it (--wait SECONDS), or stop that process",
    })
end

return M
