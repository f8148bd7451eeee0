-- SPDX-License-Identifier: Apache-2.0
--
-- The switch of a board's power, whatever device stands behind it.
--
--     local power = require("jflash.power").open(board.power, { name = board.name })
--     power:cycle(2, function() console:reopen() end)
--
-- A driver is a module jflash.power.TYPE (with _ for each - of the type) with
-- `summary` (one line), `schema` (the record of its keys, jflash.schema) and
-- `new(config, context)`, which touches no power. What that returns has `describe`,
-- `identity` (tells it from all others on this host), the methods on and off, and
-- where the device can: cycle, state, read. After each switch the state is asked for
-- here, not by the drivers. One whose console comes and goes with the power sets
-- `console_moves` and has prepare and console_address; `settle_s` is for those that take
-- longer than SETTLE_S until they tell their new state, `off_time_s` a time of their own
-- between off and on in a cycle. What holds something open has close. Drivers raise error objects
-- (jflash.errors) of class host; `retry = 0` says that a further try is of no use.
-- `check_board(config, board)` of a driver says what of a board's other keys does not go
-- with it. `context.console` is the board's console, for those who drive its lines.

local errors = require("jflash.errors")
local job = require("jflash.job")
local nearest = require("jflash.nearest")
local schema = require("jflash.schema")

local M = {}

--- The drivers that come with jflash.
M.types = { "command", "energenie", "gpio", "http", "ipmi", "manual", "noyito-hid", "noyito-serial", "qemu",
    "sequence", "serial-lines", "serial-relay", "snmp", "tasmota", "usb-port", "usbrelay", "ykush" }

-- A switch may miss one command; more than three times is no accident.
local TRIES = 3
local PAUSE_S = 1
-- How long a device may take until it tells its new state.
local SETTLE_S = 3
local POLL_S = 0.1

---@class jflash.Power
---@field describe string        what the person knows it by
---@field identity string        tells it from every other power device on this host
---@field console_moves boolean  the console's other end is new after each cycle
---@field off_time_s number|nil   how long the device wants it to be off in a cycle
---@field before_on fun()  called before the power may come on
---@field after_off fun()  called once the power is off
local Power = {}
Power.__index = Power

local function config_error(context, message, hint)
    errors.raise({
        class = "config",
        code = "config",
        message = ("board %s: power: %s"):format(context.name, message),
        hint = hint,
    })
end

--- The module of a driver; nil when there is none of that name.
---@param name string
---@return table|nil
function M.driver(name)
    if not name:match("^%a[%w_-]*$") then
        return nil
    end
    local module = "jflash.power." .. name:gsub("-", "_")
    local found, result = pcall(require, module)
    if found then
        return type(result) == "table" and result.schema and result.new and result or nil
    end
    if tostring(result):find(("module '%s' not found"):format(module), 1, true) then
        return nil
    end
    return error(result, 0)
end

local function record_of(name)
    local driver = M.driver(tostring(name))
    if driver then
        return driver.schema
    end
    return nil, ("there is no power driver %s%s; the drivers are: %s"):format(schema.quoted(tostring(name)),
        nearest.hint(tostring(name), M.types), table.concat(M.types, ", "))
end

--- The type of a `power` in a configuration: `type`, and the keys of that driver.
---@param options table|nil  of the record, as jflash.schema has them
---@return table
function M.schema(options)
    options = options or {}
    options.rest = schema.open()
    options.variant = { by = "type", of = record_of }
    return schema.record({ type = schema.string({ default = "manual", filled = true }) }, options)
end

--- What is wrong with a board whose power this is, beyond the driver's own keys; nil when
--- nothing is.
---@param config table
---@param board table
---@return string|nil
function M.check_board(config, board)
    local driver = M.driver(config.type)
    return driver and driver.check_board and driver.check_board(config, board) or nil
end

--- Opens the driver that a board's configuration asks for. Touches no power.
---@param config table   the board's `power`: type and the driver's keys
---@param context {name: string, console: jflash.dut.Console|nil, warn: nil|fun(format: string, ...),
---  retry_pause_s: number|nil, settle_s: number|nil}
---@return jflash.Power
function M.open(config, context)
    local checked = schema.read_value(config, M.schema(), { name = "board " .. context.name, path = "power" })
    local device = M.driver(checked.type).new(checked, context)
    return setmetatable({
        device = device,
        context = context,
        describe = device.describe,
        identity = device.identity,
        console_moves = device.console_moves or false,
        off_time_s = device.off_time_s,
        before_on = function() end,
        after_off = function() end,
    }, Power)
end

local function is_final(failure)
    return failure.class ~= "host" or failure.retry == 0
end

-- Asks the device, where it can tell, until it says that it is `wanted`: a relay
-- takes a moment, and one that does not obey may have answered all the same.
local function prove(self, what, wanted)
    if not self.device.state then
        return
    end
    local deadline = job.now() + (self.context.settle_s or self.device.settle_s or SETTLE_S)
    local said = self.device:state()
    while said and said ~= wanted do
        if job.now() >= deadline then
            errors.raise({
                class = "host",
                code = "failed",
                message = ("power %s: it was switched %s, and says that it is %s"):format(what, wanted, said),
                hint = ("look at %s: jflash power state"):format(self.describe),
            })
        end
        errors.check("host", job.sleep(POLL_S))
        said = self.device:state()
    end
end

-- Runs an action of the device that leaves it `wanted`, again when that may help.
local function try(self, what, wanted, ...)
    local function action(...)
        self.device[what](self.device, ...)
        prove(self, what, wanted)
    end
    for attempt = 1, TRIES do
        local ok, failure = xpcall(action, errors.wrap, ...)
        if ok then
            return
        end
        if is_final(failure) or attempt == TRIES then
            if attempt > 1 then
                failure.message = ("%s (%d tries)"):format(failure.message, attempt)
            end
            error(failure, 0)
        end
        if self.context.warn then
            self.context.warn("%s (trying again)", failure.message)
        end
        errors.check("host", job.sleep(self.context.retry_pause_s or PAUSE_S))
    end
end

--- Switches on; does nothing when it is on and the device knows that.
function Power:on()
    self.before_on()
    try(self, "on", "on")
end

--- Switches off.
function Power:off()
    try(self, "off", "off")
    self.after_off()
end

--- Switches off and, after `wait_s` seconds, on again. `before_on` is called when
--- the board is without power and about to get it: then the console must listen.
---@param wait_s number
---@param before_on fun()|nil
function Power:cycle(wait_s, before_on)
    before_on = before_on or function() end
    self.before_on()
    if self.device.cycle then
        before_on()
        return try(self, "cycle", "on", wait_s)
    end
    self:off()
    errors.check("host", job.sleep(wait_s))
    self:prepare()
    before_on()
    self:on()
end

--- Makes the console's other end be there without the board running yet. Only
--- does something where the console moves.
function Power:prepare()
    if self.device.prepare then
        self.before_on()
        try(self, "prepare", "on")
    end
end

---@return "on"|"off"|nil state  nil: the device cannot tell
function Power:state()
    return self.device.state and self.device:state() or nil
end

---@return {volts: number|nil, amps: number|nil, watts: number|nil}|nil  nil: the device cannot tell
function Power:read()
    return self.device.read and self.device:read() or nil
end

--- Lets go of what the driver holds open; the power stays as it is.
function Power:close()
    if self.device.close then
        self.device:close()
    end
end

--- Where the console is when the power device provides it ("unix:/…").
---@return string
function Power:console_address()
    if not self.device.console_address then
        config_error(self.context, ("%s provides no console"):format(self.describe),
            "set the board's console.device")
    end
    return self.device:console_address()
end

return M
