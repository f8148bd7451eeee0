-- SPDX-License-Identifier: Apache-2.0
--
-- The board's serial line: a pty whose other end is DIR/console.
local wire = require("wire")

local M = {}
M.__index = M

-- What may wait for a reader; then bytes are lost, as on a real line.
local QUEUE_LIMIT = 1 << 20
-- How often a slow line sends.
local PACE_S = 0.005

--- `on_input(bytes)` gets what is typed.
function M.new(loop, link, on_input)
    local self = setmetatable({
        loop = loop, link = link, on_input = on_input, queue = "", inserts = {}, muted = false,
    }, M)
    self:plug_in()
    return self
end

function M:plug_in()
    if self.master then
        return
    end
    local slave
    self.master, slave = wire.pty()
    self.holder = wire.hold(slave)
    wire.symlink(slave, self.link)
    self.loop:on_read(self.master, function()
        local bytes = wire.read(self.master, 4096)
        if bytes and bytes ~= "" then
            self.on_input(bytes)
        end
    end)
end

--- As when the cable is pulled: readers see the end, and the name is gone.
function M:hang_up()
    if not self.master then
        return
    end
    os.remove(self.link)
    self.loop:close(self.holder)
    self.loop:close(self.master)
    self.loop:cancel(self.pace_timer)
    self.master, self.holder, self.pace_timer = nil, nil, nil
    self.queue = ""
end

--- The line is silent, and what had not been sent is lost.
function M:mute(muted)
    self.muted = muted
    if muted then
        self.queue = ""
        self.inserts = {}
    end
end

--- At most `bytes_per_s` from now on; nil: as fast as it can.
function M:pace(bytes_per_s)
    self.bytes_per_s = bytes_per_s
end

--- Puts `text` into what is sent: behind so many bytes, or behind a text.
function M:insert(text, after)
    if type(after) == "string" then
        after = after:gsub("\n", "\r\n")
    end
    if after == 0 then
        self:send(text)
    else
        table.insert(self.inserts, { text = text, after = after, seen = "" })
    end
end

-- How many of the next bytes stand before what is inserted; nil: more than these.
local function place_of(insert, bytes)
    if type(insert.after) == "number" then
        local after = insert.after
        insert.after = after - #bytes
        return #bytes >= after and after or nil
    end
    local before = #insert.seen
    insert.seen = insert.seen .. bytes
    local _, last = insert.seen:find(insert.after, 1, true)
    return last and last - before
end

function M:with_inserts(bytes)
    for index = #self.inserts, 1, -1 do
        local insert = self.inserts[index]
        local place = place_of(insert, bytes)
        if place then
            table.remove(self.inserts, index)
            bytes = bytes:sub(1, place) .. insert.text .. bytes:sub(place + 1)
        end
    end
    return bytes
end

--- Sends bytes as they are.
function M:send(bytes)
    if self.muted or not self.master then
        return
    end
    self.queue = self.queue .. self:with_inserts(bytes)
    if #self.queue > QUEUE_LIMIT then
        self.queue = self.queue:sub(-QUEUE_LIMIT)
    end
    self:flush()
end

--- Sends text, with the line ends of a terminal.
function M:print(text)
    self:send((text:gsub("\r?\n", "\r\n")))
end

function M:flush()
    if self.queue == "" or not self.master or self.pace_timer then
        return
    end
    local part = self.queue
    if self.bytes_per_s then
        part = part:sub(1, math.max(1, math.floor(self.bytes_per_s * PACE_S)))
        self.pace_timer = self.loop:after(PACE_S, function()
            self.pace_timer = nil
            self:flush()
        end)
    end
    local sent = wire.write(self.master, part) or 0
    self.queue = self.queue:sub(sent + 1)
    if self.queue ~= "" and not self.pace_timer then
        self.loop:on_write(self.master, function() self:flush() end)
    else
        self.loop:on_write(self.master, nil)
    end
end

return M
