-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a Noyito relay card of 4 or 8 channels that is a HID device: the frames of
-- its serial sisters (noyito_serial), as output reports. It cannot tell its state.

local devices = require("jflash.power.hid_device")
local schema = require("jflash.schema")

local M = {}

M.summary = "a Noyito relay card that is a HID device"

M.schema = schema.record({
    channel = schema.integer({ default = 1, min = 1, max = 8 }),
    channels = schema.integer({ default = 4, min = 1, max = 8 }),
    all_channels = schema.boolean({ default = false }),
    serial = schema.string({ nullable = true, filled = true }),
    vendor_id = schema.integer({ default = 5131, min = 1, max = 65535 }),
    product_id = schema.integer({ default = 2007, min = 1, max = 65535 }),
}, { check = function(config)
    return config.channel > config.channels
        and ("the card has %d channels: look at the key 'channels'"):format(config.channels) or nil, "channel"
end })

local HEAD = 0xa0

---@class jflash.power.NoyitoHid
local Noyito = {}
Noyito.__index = Noyito

local function set(self, what, position)
    devices.use(what, {
        name = "Noyito card", vendor_id = self.config.vendor_id, product_ids = { self.config.product_id },
        serial = self.config.serial,
    }, function(device)
        for channel = self.first, self.last do
            local ok, message, code = device:write(string.char(0, HEAD, channel, position,
                (HEAD + channel + position) & 0xff))
            if not ok then
                return nil, message, code
            end
        end
        return true
    end)
end

function Noyito:on()
    set(self, "on", 1)
end

function Noyito:off()
    set(self, "off", 0)
end

---@param config table
---@param context {name: string}
---@return jflash.power.NoyitoHid
function M.new(config, context)
    local first = config.all_channels and 1 or config.channel
    local last = config.all_channels and config.channels or config.channel
    local which = ("%s channel %s"):format(config.serial or "(the only one)",
        first == last and first or "1 to " .. last)
    return setmetatable({
        config = config,
        first = first,
        last = last,
        describe = ("Noyito card %s of board %s"):format(which, context.name),
        identity = "noyito-hid " .. which,
    }, Noyito)
end

return M
