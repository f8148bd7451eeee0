-- SPDX-License-Identifier: Apache-2.0
--
-- Power by any relay card that takes bytes on a serial port.

local port = require("jflash.power.relay_port")
local schema = require("jflash.schema")

local M = {}

M.summary = "any relay card that takes bytes on a serial port"

local ESCAPES = { r = "\r", n = "\n", t = "\t", ["0"] = "\0", ["\\"] = "\\" }

-- The bytes that a text with escapes stands for; nil when it is none.
local function bytes_of(text)
    local bad = #text:match("\\*$") % 2 == 1
    local bytes = text:gsub("\\(.)(%x?%x?)", function(kind, digits)
        if kind == "x" then
            bad = bad or #digits ~= 2
            return string.char(tonumber(digits, 16) or 0)
        end
        bad = bad or not ESCAPES[kind]
        return (ESCAPES[kind] or "") .. digits
    end)
    return not bad and bytes or nil
end

local function check_bytes(text)
    if text:find("[\x80-\xff]") then
        return "bytes from 0x80 on are written as '\\xA0', in single quotes"
    end
    return not bytes_of(text) and "escapes are \\xNN, \\r, \\n, \\t, \\0 and \\\\" or nil
end

local function bytes(options)
    options.check, options.filled = check_bytes, true
    return schema.string(options)
end

local function pattern()
    return schema.string({ nullable = true, filled = true })
end

local fields = port.fields(9600)
fields.bytesize = schema.integer({ default = 8, min = 5, max = 8 })
fields.parity = schema.enum({ "none", "even", "odd" }, { default = "none" })
fields.stopbits = schema.integer({ default = 1, min = 1, max = 2 })
fields.on = bytes({ required = true })
fields.off = bytes({ required = true })
fields.answer = pattern()
fields.query = bytes({ nullable = true })
fields.state_on = pattern()
fields.state_off = pattern()

M.schema = schema.record(fields, { check = function(config)
    if (config.query == nil) ~= (config.state_on == nil) or (config.query == nil) ~= (config.state_off == nil) then
        return "query, state_on and state_off belong together", "query"
    end
    return nil
end })

---@class jflash.power.SerialRelay
local Relay = {}
Relay.__index = Relay

local function set(self, what)
    port.exchange(self, what, bytes_of(self.config[what]), self.config.answer and { self.config.answer })
end

function Relay:on()
    set(self, "on")
end

function Relay:off()
    set(self, "off")
end

local function state(self)
    local index = port.exchange(self, "state", bytes_of(self.config.query),
        { self.config.state_on, self.config.state_off })
    return index == 1 and "on" or "off"
end

---@param config table
---@param context {name: string}
---@return jflash.power.SerialRelay
function M.new(config, context)
    return setmetatable({
        type = "serial-relay",
        config = config,
        device = config.device,
        state = config.query and state or nil,
        describe = ("relay at %s of board %s"):format(config.device, context.name),
        identity = ("serial-relay %s %s"):format(config.device, config.on),
    }, Relay)
end

return M
