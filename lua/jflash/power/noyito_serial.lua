-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a Noyito (LCUS) relay card behind a USB serial chip: frames of four bytes,
-- A0, channel, 1 or 0, and their sum. It answers FF with a line for each channel.

local port = require("jflash.power.relay_port")
local schema = require("jflash.schema")

local M = {}

M.summary = "a Noyito (LCUS) relay card behind a USB serial chip"

local fields = port.fields(9600)
fields.channel = schema.integer({ default = 1, min = 1, max = 8 })
fields.channels = schema.integer({ default = 2, min = 1, max = 8 })
fields.all_channels = schema.boolean({ default = false })

M.schema = schema.record(fields, { check = function(config)
    return config.channel > config.channels
        and ("the card has %d channels: look at the key 'channels'"):format(config.channels) or nil, "channel"
end })

local HEAD = 0xa0
local QUERY = "\xff"

---@class jflash.power.NoyitoSerial
local Noyito = {}
Noyito.__index = Noyito

local function frame(channel, position)
    return string.char(HEAD, channel, position, (HEAD + channel + position) & 0xff)
end

local function set(self, what, position)
    local bytes = ""
    for channel = self.first, self.last do
        bytes = bytes .. frame(channel, position)
    end
    port.exchange(self, what, bytes)
end

function Noyito:on()
    set(self, "on", 1)
end

function Noyito:off()
    set(self, "off", 0)
end

--- Of several channels "on" or "off" when they agree.
function Noyito:state()
    local said
    for channel = self.first, self.last do
        local index = port.exchange(self, "state", QUERY, {
            ("re:CH%d:? *ON"):format(channel), ("re:CH%d:? *OFF"):format(channel),
        })
        local one = index == 1 and "on" or "off"
        said = (said == nil or said == one) and one or "mixed"
    end
    return said
end

---@param config table
---@param context {name: string}
---@return jflash.power.NoyitoSerial
function M.new(config, context)
    local first = config.all_channels and 1 or config.channel
    local last = config.all_channels and config.channels or config.channel
    return setmetatable({
        type = "noyito-serial",
        config = config,
        device = config.device,
        first = first,
        last = last,
        describe = ("relay card %s channel %s of board %s"):format(config.device,
            first == last and first or "1 to " .. last, context.name),
        identity = ("noyito-serial %s %d %d"):format(config.device, first, last),
    }, Noyito)
end

return M
