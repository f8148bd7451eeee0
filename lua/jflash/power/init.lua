-- SPDX-License-Identifier: Apache-2.0
--
-- The switch of a board's power, whatever device stands behind it.
--
--     local power = require("jflash.power").open(board.power, { name = board.name })
--     power:cycle(2, function() console:reopen() end)
--
-- A driver is a module jflash.power.TYPE with `keys` (what its part of the
-- configuration may hold), `types`, `required` and `new(config, context)`. It has
-- the methods on and off, and where the device can: cycle, state, read. One whose
-- console comes and goes with the power sets `console_moves` and has prepare and
-- console_address. Drivers raise error objects (jflash.errors).

local errors = require("jflash.errors")
local job = require("jflash.job")
local nearest = require("jflash.nearest")
local schema = require("jflash.schema")

local M = {}

--- The drivers that come with jflash.
M.types = { "command", "manual", "qemu" }

-- A switch may miss one command; more than three times is no accident.
local TRIES = 3
local PAUSE_S = 1

---@class jflash.Power
---@field describe string        what the person knows it by
---@field identity string        tells it from every other power device on this host
---@field console_moves boolean  the console's other end is new after each cycle
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
    local module = "jflash.power." .. name
    if not name:match("^%a[%w_]*$") then
        return nil
    end
    local found, result = pcall(require, module)
    if found then
        return result
    end
    if tostring(result):find(("module '%s' not found"):format(module), 1, true) then
        return nil
    end
    return error(result, 0)
end

-- A value of the wanted type, or nil. A number in a YAML file or behind --set may
-- come as text, and the other way round.
local function convert(value, wanted)
    local kind = type(value)
    local is_scalar = kind == "string" or kind == "number"
    if wanted == "list" then
        return kind == "table" and value or nil
    elseif wanted == "integer" then
        return is_scalar and math.tointeger(tonumber(value)) or nil
    elseif wanted == "number" then
        return is_scalar and tonumber(value) or nil
    end
    return is_scalar and tostring(value) or nil
end

-- The driver's part of the configuration, and what is wrong with it.
local function check_config(driver, config)
    local checked, problems = {}, {}
    for _, key in ipairs(schema.names(config)) do
        local wanted = driver.types[key] or "string"
        checked[key] = convert(config[key], wanted)
        if key ~= "type" and not driver.keys[key] then
            table.insert(problems, { key = key, text = ("%s has no key %q%s"):format(config.type, key,
                nearest.hint(key, schema.names(driver.keys))) })
        elseif checked[key] == nil then
            table.insert(problems, { key = key, text = ("key %q: %s expected, got %s"):format(
                key, wanted, type(config[key])) })
        end
    end
    for _, key in ipairs(driver.required) do
        if config[key] == nil then
            table.insert(problems, { text = ("%s needs the key %q"):format(config.type, key) })
        end
    end
    return checked, problems
end

local function unknown_driver(name)
    return ("there is no driver %q%s"):format(name, nearest.hint(name, M.types)),
        "the drivers are: " .. table.concat(M.types, ", ")
end

--- What is wrong with a board's `power`; `key` is there when it is one key's fault.
--- Loads the driver, and opens nothing.
---@param config table
---@return {key: string|nil, text: string}[]
function M.examine(config)
    local name = tostring(config.type)
    local driver = M.driver(name)
    if not driver then
        return { { key = "type", text = table.concat({ unknown_driver(name) }, "; ") } }
    end
    local _, problems = check_config(driver, config)
    return problems
end

--- Opens the driver that a board's configuration asks for. Touches no power.
---@param config table   the board's `power`: type and the driver's keys
---@param context {name: string, warn: nil|fun(format: string, ...), retry_pause_s: number|nil}
---@return jflash.Power
function M.open(config, context)
    local name = tostring(config.type)
    local driver = M.driver(name)
    if not driver then
        config_error(context, unknown_driver(name))
    end
    local checked, problems = check_config(driver, config)
    if problems[1] then
        config_error(context, problems[1].text)
    end
    local device = driver.new(checked, context)
    return setmetatable({
        device = device,
        context = context,
        describe = device.describe,
        identity = device.identity,
        console_moves = device.console_moves or false,
        before_on = function() end,
        after_off = function() end,
    }, Power)
end

local function is_final(failure)
    return failure.class ~= "host" or failure.retry == 0
end

-- Runs an action of the device, again when that may help.
local function try(self, what, ...)
    local action = self.device[what]
    for attempt = 1, TRIES do
        local ok, failure = xpcall(action, errors.wrap, self.device, ...)
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
    try(self, "on")
end

--- Switches off.
function Power:off()
    try(self, "off")
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
        return try(self, "cycle", wait_s)
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
        try(self, "prepare")
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
