-- SPDX-License-Identifier: Apache-2.0
--
-- The event loop of the scripted board: descriptors and timers call functions.
-- One thread, nothing blocks.
local wire = require("wire")

local M = {}
M.__index = M

function M.new()
    return setmetatable({ readers = {}, writers = {}, timers = {} }, M)
end

--- Calls `handler` whenever `fd` is readable or hung up; nil stops that.
function M:on_read(fd, handler)
    self.readers[fd] = handler
end

--- Calls `handler` whenever `fd` takes bytes; nil stops that.
function M:on_write(fd, handler)
    self.writers[fd] = handler
end

--- Forgets the descriptor and closes it.
function M:close(fd)
    self.readers[fd] = nil
    self.writers[fd] = nil
    wire.close(fd)
end

--- Calls `action` once after `delay_s`. Returns a handle for `cancel`.
function M:after(delay_s, action)
    local timer = { at = wire.now() + delay_s, action = action }
    self.timers[timer] = true
    return timer
end

function M:cancel(timer)
    if timer then
        self.timers[timer] = nil
    end
end

local function keys(map)
    local list = {}
    for key in pairs(map) do
        list[#list + 1] = key
    end
    return list
end

function M:timeout_s()
    local nearest = math.huge
    for timer in pairs(self.timers) do
        nearest = math.min(nearest, timer.at)
    end
    if nearest == math.huge then
        return nil
    end
    return math.max(0, nearest - wire.now())
end

function M:run_timers()
    local now = wire.now()
    for _, timer in ipairs(keys(self.timers)) do
        -- An earlier one may have cancelled this one.
        if self.timers[timer] and timer.at <= now then
            self.timers[timer] = nil
            timer.action()
        end
    end
end

--- Waits for something to happen, and handles it.
function M:turn()
    local ready = wire.wait(keys(self.readers), keys(self.writers), self:timeout_s())
    for _, fd in ipairs(ready) do
        local handler = self.readers[fd]
        if handler then
            handler()
        end
        handler = self.writers[fd]
        if handler then
            handler()
        end
    end
    self:run_timers()
end

return M
