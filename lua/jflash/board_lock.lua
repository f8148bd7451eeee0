-- SPDX-License-Identifier: Apache-2.0
--
-- One run per board. What tells a board from others on this host is its console and its
-- power device, as the configuration names them; and where the console is a port of
-- this host's hardware, that port, since another configuration may name it by another of
-- its names. The first of the two locks also holds while the port is unplugged.

local consoles = require("jflash.console")
local job = require("jflash.job")
local locks = require("jflash.lock")
local sys = require("jflash.sys")

local M = {}

-- What stays the same of a console's port while a run keeps it, closed or open: where an
-- adapter is plugged in, since its ttyUSB0 becomes another's as soon as it is pulled out.
-- A pty has nothing of the kind; its number, too, is soon another's.
local function port_of(where)
    local node = consoles.find(where)
    local name = node and node:match("^/dev/(tty[^/]*)$")
    local device = name and sys.realpath(("/sys/class/tty/%s/device"):format(name))
    return device and (device:match("^(.*/usb%d+/.*/[^/]+:%d+%.%d+)") or node), node
end

-- The locks of a board in the order in which they are taken, with what each keeps.
local function list(board, power)
    local all = { {
        name = ("board %s %s"):format(board.console.device, power.identity or board.power.type),
        what = "board " .. board.name,
    } }
    local port, node = port_of(board.console.device)
    if port then
        table.insert(all, { name = "port " .. port, what = ("the console of board %s, %s,"):format(board.name, node) })
    end
    return all
end

--- A board's locks that are held.
---@class jflash.BoardLock
local BoardLock = {}
BoardLock.__index = BoardLock

--- Tells others in which folder the run is kept (see jflash.lock).
---@param folder string
function BoardLock:tell_folder(folder)
    for _, lock in ipairs(self) do
        lock:tell_folder(folder)
    end
end

function BoardLock:close()
    while #self > 0 do
        table.remove(self):close()
    end
end

BoardLock.__close = BoardLock.close

--- Takes a board; raises class host, naming the holder, when it is in use.
---@param board table  see jflash.config
---@param power jflash.Power
---@param wait_s number|nil  how long to wait for it
---@return jflash.BoardLock to be closed
function M.take(board, power, wait_s)
    local deadline = job.now() + (wait_s or 0)
    local self = setmetatable({}, BoardLock)
    for _, one in ipairs(list(board, power)) do
        local ok, lock = pcall(locks.take, one.name, {
            wait_s = math.max(0, deadline - job.now()),
            what = one.what,
            hint = ("look at it (jflash console --watch --board %s)"):format(board.name),
        })
        if not ok then
            self:close()
            error(lock, 0)
        end
        table.insert(self, lock)
    end
    return self
end

--- Who uses a board, without taking it; see jflash.lock.
---@param board table
---@param power jflash.Power
---@return {text: string, pid: integer|nil, folder: string|nil}|nil holder  nil: nobody
function M.holder(board, power)
    for _, one in ipairs(list(board, power)) do
        local holder = locks.holder(one.name)
        if holder then
            return holder
        end
    end
    return nil
end

return M
