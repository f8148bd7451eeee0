-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a YKUSH hub of Yepkit (YKUSH, YKUSH3, YKUSH XS), whose ports are switched by
-- reports of its HID interface.

local devices = require("jflash.power.hid_device")
local schema = require("jflash.schema")

local M = {}

M.summary = "a port of a YKUSH, YKUSH3 or YKUSH XS hub"

M.schema = schema.record({
    port = schema.enum({ "1", "2", "3", "all" }, { default = "1" }),
    serial = schema.string({ nullable = true, filled = true }),
})

local VENDOR_ID = 0x04d8
local PRODUCT_IDS = { 0xf11b, 0xf0cd } -- YKUSH3, YKUSH XS
-- YKUSH and its first ones: Linux has them in its list of HID devices to ignore.
local IGNORED_IDS = { 0xf2f7, 0x0042 }
local XS = 0xf0cd
local REPORT_BYTES = 64
local ALL = 0x0a
local UP, ASK = 0x10, 0x20
local DONE = 0x01
local ANSWER_S = 1

---@class jflash.power.Ykush
local Ykush = {}
Ykush.__index = Ykush

-- Sends a command and returns the answer's bytes.
local function exchange(device, command)
    local report = string.char(0, command) .. ("\0"):rep(REPORT_BYTES - 1)
    local ok, message, code = device:write(report)
    if not ok then
        return nil, message, code
    end
    local answer
    answer, message, code = device:read({ timeout_s = ANSWER_S })
    if not answer then
        return nil, message, code
    elseif answer:byte(1) ~= DONE then
        return nil, ("it refused command %02x"):format(command), "protocol"
    end
    return answer
end

local function use(self, what, action)
    return devices.use(what, {
        name = "YKUSH hub", vendor_id = VENDOR_ID, product_ids = PRODUCT_IDS, ignored_ids = IGNORED_IDS,
        serial = self.config.serial,
    }, action)
end

local function switch(self, what, bits)
    use(self, what, function(device)
        local port = self.config.port == "all" and ALL or tonumber(self.config.port)
        return exchange(device, bits | port)
    end)
end

function Ykush:on()
    switch(self, "on", UP)
end

function Ykush:off()
    switch(self, "off", 0)
end

--- Of all ports "on" or "off" when they agree.
function Ykush:state()
    return use(self, "state", function(device, info)
        local ports = { tonumber(self.config.port) }
        if self.config.port == "all" then
            ports = info.product_id == XS and { 1 } or { 1, 2, 3 }
        end
        local said
        for _, port in ipairs(ports) do
            local answer, message, code = exchange(device, ASK | port)
            if not answer then
                return nil, message, code
            end
            local one = (answer:byte(2) or 0) & UP ~= 0 and "on" or "off"
            said = (said == nil or said == one) and one or "mixed"
        end
        return said
    end)
end

---@param config table
---@param context {name: string}
---@return jflash.power.Ykush
function M.new(config, context)
    local which = ("%s port %s"):format(config.serial or "(the only one)", config.port)
    return setmetatable({
        config = config,
        describe = ("YKUSH hub %s of board %s"):format(which, context.name),
        identity = "ykush " .. which,
    }, Ykush)
end

return M
