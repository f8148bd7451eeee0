-- SPDX-License-Identifier: Apache-2.0
--
-- The serial port of a relay card: opened for one exchange, so that several boards
-- whose relays are on one card take turns.

local consoles = require("jflash.console")
local errors = require("jflash.errors")
local places = require("jflash.console_place")
local port_hint = require("jflash.port_hint")
local schema = require("jflash.schema")

local M = {}

--- Keys that every driver of such a card has.
---@param baudrate integer
---@return table fields  of a schema.record
function M.fields(baudrate)
    return {
        device = schema.string({ required = true, check = places.check_wire }),
        baudrate = schema.integer({ default = baudrate, min = 50, max = 4000000 }),
        timeout_s = schema.duration({ default = 2.0, min = 0.05 }),
    }
end

local function check(self, what, ok, message, code, errno)
    if ok then
        return ok
    end
    return errors.raise({
        class = "host",
        code = code,
        retry = port_hint.is_final(errno) and 0 or nil,
        message = ("power %s: %s"):format(what, message),
        hint = port_hint.of(message, errno, self.device) or code == "io" and "is it plugged in?"
            or "does the card answer at that speed? look at the keys of jflash power --help " .. self.type,
    })
end

--- Sends `bytes`; with patterns waits for the first of them and returns its number.
---@param self {device: string, type: string, config: table}  the driver's object
---@param what string  for messages: "on", "off", "state"
---@param bytes string
---@param patterns string[]|nil
---@return integer|nil
function M.exchange(self, what, bytes, patterns)
    local config = self.config
    local port <close> = check(self, what, consoles.open(self.device, {
        name = "relay at " .. self.device, timeout_s = config.timeout_s, hupcl = false,
        baudrate = config.baudrate, bytesize = config.bytesize, parity = config.parity, stopbits = config.stopbits,
    }))
    port:discard()
    check(self, what, port:send(bytes, { timeout_s = config.timeout_s }))
    if not patterns then
        return nil
    end
    return check(self, what, port:expect(patterns, { timeout_s = config.timeout_s })).index
end

return M
