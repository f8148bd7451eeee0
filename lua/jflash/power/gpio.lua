-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a line of a GPIO controller: a relay at a single-board computer's header, or
-- at the pins of a USB adapter.

local access = require("jflash.access")
local errors = require("jflash.errors")
local gpio = require("jflash.gpio")
local schema = require("jflash.schema")
local sys = require("jflash.sys")

local M = {}

M.summary = "a GPIO line of this host, with a relay behind it"

M.schema = schema.record({
    chip = schema.string({ default = "gpiochip0", filled = true }),
    line = schema.string({ required = true, filled = true }),
    active_low = schema.boolean({ default = false }),
    drive = schema.enum({ "push_pull", "open_drain", "open_source" }, { default = "push_pull" }),
    bias = schema.enum({ "as_is", "pull_up", "pull_down", "disabled" }, { default = "as_is" }),
})

---@class jflash.power.Gpio
local Gpio = {}
Gpio.__index = Gpio

local function hint_for(self, errno)
    local chip = self.config.chip
    local hints = {
        EBUSY = ("gpioinfo %s shows who has which line; end that program, or choose another line"):format(chip),
        ENOENT = "gpiodetect lists the controllers (apt install gpiod)",
    }
    return hints[errno] or access.hint(self.node, errno, access.give(self.node))
        or not errno and ("gpioinfo %s lists its lines (apt install gpiod)"):format(chip) or nil
end

-- What the line said to an action, or its failure: no retry mends what is not there.
local function check(self, what, result, message, code, errno)
    if result ~= nil then
        return result
    end
    return errors.raise({
        class = "host",
        code = code,
        retry = errno ~= "EBUSY" and 0 or nil,
        message = ("power %s: %s"):format(what, message),
        hint = code ~= "unsupported" and hint_for(self, errno) or nil,
    })
end

local function set(self, what)
    local config = self.config
    check(self, what, gpio.set(config.chip, config.line, what == "on", {
        active_low = config.active_low, drive = config.drive, bias = config.bias,
    }))
end

function Gpio:on()
    set(self, "on")
end

function Gpio:off()
    set(self, "off")
end

function Gpio:state()
    local config = self.config
    local active = check(self, "state", gpio.get(config.chip, config.line, { active_low = config.active_low }))
    return active and "on" or "off"
end

-- The controller's node, which has several names; nil for a label.
local function node_of(chip)
    local path = chip:find("^/") and chip or chip:find("^%d+$") and "/dev/gpiochip" .. chip
        or chip:find("^gpiochip%d+$") and "/dev/" .. chip
    return path and (sys.realpath(path) or path)
end

---@param config table
---@param context {name: string}
---@return jflash.power.Gpio
function M.new(config, context)
    local node = node_of(config.chip)
    return setmetatable({
        config = config,
        node = node or "/dev/gpiochip*",
        describe = ("line %s of %s of board %s"):format(config.line, config.chip, context.name),
        identity = ("gpio %s %s"):format(node or config.chip, config.line),
    }, Gpio)
end

return M
