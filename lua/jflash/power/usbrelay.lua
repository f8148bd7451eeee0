-- SPDX-License-Identifier: Apache-2.0
--
-- Power by the USB relay cards that call themselves USBRelay1 to USBRelay8 (dcttech and
-- others): feature reports switch them, and tell their number and relays. Their USB
-- numbers, 16c0:05df, belong to all V-USB devices of the kind: their name counts too.

local devices = require("jflash.power.hid_device")
local schema = require("jflash.schema")

local M = {}

M.summary = "a USB relay card that calls itself USBRelay1 to USBRelay8"

M.schema = schema.record({
    channel = schema.integer({ default = 1, min = 1, max = 8 }),
    all_channels = schema.boolean({ default = false }),
    serial = schema.string({ nullable = true, filled = true }),
})

local VENDOR_ID, PRODUCT_ID = 0x16c0, 0x05df
local ON, OFF, ALL_ON, ALL_OFF = 0xff, 0xfd, 0xfe, 0xfc
local REPORT_BYTES = 9
local SERIAL_BYTES = 5
local RELAYS_BYTE = 8 -- bit 0 is relay 1

---@class jflash.power.UsbRelay
local Relay = {}
Relay.__index = Relay

local function report_of(device)
    local report, message, code = device:get_feature(1, REPORT_BYTES)
    if report and #report < RELAYS_BYTE then
        return nil, ("its report has %d bytes"):format(#report), "protocol"
    end
    return report, message, code
end

-- USB has the same number for all of them; the card's own stands in its report.
local function serial_of(device)
    local report = report_of(device)
    return report and report:sub(1, SERIAL_BYTES)
end

local function use(self, what, action)
    return devices.use(what, {
        name = "USBRelay card", vendor_id = VENDOR_ID, product_ids = { PRODUCT_ID }, product = "^USBRelay%d",
        serial = self.config.serial, serial_of = serial_of,
    }, action)
end

-- "USBRelay4" has four.
local function count_of(info)
    return tonumber(info.product:match("%d"))
end

local function check_channel(self, info)
    local count = count_of(info)
    if not self.config.all_channels and self.config.channel > count then
        return nil, ("it has %d relays, and channel %d was asked for"):format(count, self.config.channel), "config"
    end
    return count
end

local function switch(self, what, one, all)
    use(self, what, function(device, info)
        local count, message, code = check_channel(self, info)
        if not count then
            return nil, message, code
        end
        local command = self.config.all_channels and string.char(0, all)
            or string.char(0, one, self.config.channel)
        return device:send_feature(command .. ("\0"):rep(REPORT_BYTES - #command))
    end)
end

function Relay:on()
    switch(self, "on", ON, ALL_ON)
end

function Relay:off()
    switch(self, "off", OFF, ALL_OFF)
end

--- Of all channels "on" or "off" when they agree.
function Relay:state()
    return use(self, "state", function(device, info)
        local report, message, code = report_of(device)
        local count = report and check_channel(self, info)
        if not count then
            return nil, message or "no such channel", code
        end
        local bits = report:byte(RELAYS_BYTE)
        local mask = self.config.all_channels and (1 << count) - 1 or 1 << (self.config.channel - 1)
        return bits & mask == mask and "on" or bits & mask == 0 and "off" or "mixed"
    end)
end

---@param config table
---@param context {name: string}
---@return jflash.power.UsbRelay
function M.new(config, context)
    local which = ("%s channel %s"):format(config.serial or "(the only one)",
        config.all_channels and "all" or config.channel)
    return setmetatable({
        config = config,
        describe = ("USB relay %s of board %s"):format(which, context.name),
        identity = "usbrelay " .. which,
    }, Relay)
end

return M
