-- SPDX-License-Identifier: Apache-2.0
--
-- Locks between runs on this host, across users: one run per board (jflash.board_lock),
-- one turn at the TFTP port. The kernel releases them when the holder dies. The file of a lock
-- says who holds it and, for a board, in which folder the run is kept: that is how
-- `jflash console --watch` finds what to show.

local errors = require("jflash.errors")
local image = require("jflash.image")
local log = require("jflash.log")
local sys = require("jflash.sys")

local M = {}

local FOLDER = ", run folder "
-- What is read of a lock's file (JF_LOCK_HOLDER_SIZE), with its line feed.
local HOLDER_BYTES = 511

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

local function path_of(name)
    return ("%s/jflash-%s.lock"):format(directory(), image.sha256(name):sub(1, 20))
end

--- A lock that is held.
---@class jflash.Lock
local Lock = {}
Lock.__index = Lock

--- Tells others in which folder the run is kept. Who holds the lock without being
--- able to sign it (another user's file) tells nothing.
---@param folder string
function Lock:tell_folder(folder)
    local file = io.open(self.path, "r+")
    local text = ("%s%s%s"):format(self.owner, FOLDER, sys.realpath(folder) or folder)
    if file and #text < HOLDER_BYTES and not text:find("%c") then
        file:write(text, "\n")
    end
    if file then
        file:close()
    end
end

function Lock:close()
    self.raw:close()
end

Lock.__close = Lock.close

--- Takes the lock `name`; raises class host, naming the holder, when it is taken.
---@param name string
---@param options {wait_s: number|nil, what: string, hint: string|nil}  hint: what else can be done
---@return jflash.Lock
function M.take(name, options)
    local path, owner = path_of(name), owner_text()
    local lock, message, code, holder = sys.lock(path, { owner = owner })
    if not lock and code == "timeout" and (options.wait_s or 0) > 0 then
        log.info("%s is in use (%s): waiting up to %g s", options.what, holder, options.wait_s)
        owner = owner_text()
        lock, message, code, holder = sys.lock(path, { owner = owner, wait_s = options.wait_s })
    end
    if lock then
        return setmetatable({ raw = lock, path = path, owner = owner }, Lock)
    end
    if code ~= "timeout" then
        errors.raise({ class = "host", code = code, message = message })
    end
    return errors.raise({
        class = "host",
        code = "busy",
        message = ("%s is in use: %s"):format(options.what, holder or "another run"),
        hint = "wait for it (--wait SECONDS), " .. (options.hint and options.hint .. ", " or "")
            .. "or stop that process",
    })
end

--- Who holds the lock `name`, without taking it.
---@param name string
---@return {text: string, pid: integer|nil, folder: string|nil}|nil holder  nil: nobody
function M.holder(name)
    local path = path_of(name)
    -- A free lock's file is empty, unless its last holder was killed. Only then is the
    -- lock asked for: a run that comes at that moment would find it taken.
    local info = sys.stat(path)
    if not info or info.type ~= "file" or info.size == 0 then
        return nil
    end
    local lock, message, code, text = sys.lock(path, { exclusive = false })
    if lock then
        lock:close()
        return nil
    elseif code ~= "timeout" then
        errors.raise({ class = "host", code = code, message = message })
    end
    return {
        text = text,
        pid = math.tointeger(tonumber(text:match("^pid (%d+)"))),
        folder = text:match(FOLDER .. "(/.*)$"),
    }
end

return M
