-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a Noyito relay card of 4 or 8 channels that is a HID device: the frames of
-- its serial sisters (noyito_serial), as output reports. Newer ones tell their state.

local devices = require("jflash.power.hid_device")
local job = require("jflash.job")
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
-- "Channel" 15, position 2 asks; each channel answers with a line, "CH1:ON".
local QUERY = "\0\xa0\x0f\x02\xb1"
local ANSWER_S = 0.5

---@class jflash.power.NoyitoHid
local Noyito = {}
Noyito.__index = Noyito

local function use(self, what, action)
    return devices.use(what, {
        name = "Noyito card", vendor_id = self.config.vendor_id, product_ids = { self.config.product_id },
        serial = self.config.serial,
        hint = "lsusb shows what is plugged in; for 5131:2007 there, which is hexadecimal, "
            .. "--set power.vendor_id=0x5131 --set power.product_id=0x2007",
    }, action)
end

local function set(self, what, position)
    use(self, what, function(device)
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

-- The lines that the card answers, as far as they come in time.
local function answers(device)
    local deadline, text = job.now() + ANSWER_S, ""
    while job.now() < deadline do
        local report, message, code = device:read({ timeout_s = math.max(deadline - job.now(), 0) })
        if report then
            text = text .. report:gsub("%z", "")
        elseif code ~= "timeout" then
            return nil, message, code
        end
    end
    return text
end

--- Nil for a card that does not tell; of several channels "on" or "off" when they agree.
function Noyito:state()
    return use(self, "state", function(device)
        local ok, message, code = device:write(QUERY)
        local text
        if ok then
            text, message, code = answers(device)
        end
        if not text then
            return nil, message, code
        end
        local said
        for channel = self.first, self.last do
            local one = text:match(("CH%d: *(O[NF]F?)"):format(channel))
            if not one then
                return nil
            end
            one = one:lower()
            said = (said == nil or said == one) and one or "mixed"
        end
        return said
    end)
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
