-- SPDX-License-Identifier: Apache-2.0
--
-- Power by shell commands: whatever tool switches the outlet or the relay.

local errors = require("jflash.errors")
local schema = require("jflash.schema")
local sys = require("jflash.sys")

local M = {}

M.summary = "shell commands of one's own"

local function command_text(options)
    options = options or { nullable = true }
    options.filled = true
    return schema.string(options)
end

M.schema = schema.record({
    on = command_text({ required = true }),
    off = command_text({ required = true }),
    cycle = command_text(),
    read = command_text(),
    state = command_text(),
    timeout_s = schema.duration({ default = 30.0 }),
})

local SHOWN_BYTES = 200

---@class jflash.power.Command
local Command = {}
Command.__index = Command

local function last_line(text)
    local line = text:gsub("%s+$", ""):match("[^\n]*$")
    return line:sub(1, SHOWN_BYTES)
end

local function fail(what, command, code, reason)
    errors.raise({
        class = "host",
        code = code,
        message = ("power %s: command %q %s"):format(what, command, reason),
        hint = "try the command by hand: it must end with status 0",
    })
end

-- Why a command failed, with the last line that it printed; nil when it did not.
local function reason_of(result)
    local reason
    if result.signal then
        reason = ("was ended by signal %d"):format(result.signal)
    elseif result.status ~= 0 then
        reason = ("ended with status %d"):format(result.status)
    else
        return nil
    end
    local said = last_line(result.stderr)
    if said == "" then
        said = last_line(result.stdout)
    end
    return said == "" and reason or ("%s: %s"):format(reason, said)
end

local function run(self, what, env)
    local command = self.config[what]
    env = env or {}
    env.JFLASH_BOARD = self.name
    local timeout_s = self.config.timeout_s
    local result, message, code = sys.run({ "/bin/sh", "-c", command }, {
        env = env,
        timeout_s = timeout_s,
    })
    if not result and code == "timeout" then
        fail(what, command, code, ("did not end within %g s and was killed"):format(timeout_s))
    elseif not result then
        errors.raise({ class = "host", code = code, message = ("power %s: %s"):format(what, message) })
    end
    local reason = reason_of(result)
    if reason then
        fail(what, command, "failed", reason)
    end
    return result.stdout
end

function Command:on()
    run(self, "on")
end

function Command:off()
    run(self, "off")
end

function Command:state()
    if not self.config.state then
        return nil
    end
    local said = run(self, "state")
    local word = said:match("%a+")
    word = word and word:lower()
    if word ~= "on" and word ~= "off" then
        fail("state", self.config.state, "protocol",
            ("printed neither on nor off: %q"):format(last_line(said)))
    end
    return word
end

function Command:read()
    if not self.config.read then
        return nil
    end
    local said = run(self, "read")
    local reading = {}
    for key, value in said:gmatch('(%a+)"?%s*[=:]%s*([-+%d.eE]+)') do
        if key == "volts" or key == "amps" or key == "watts" then
            reading[key] = tonumber(value)
        end
    end
    if next(reading) == nil then
        fail("read", self.config.read, "protocol",
            ("printed no volts=, amps= or watts=: %q"):format(last_line(said)))
    end
    return reading
end

local function cycle(self, wait_s)
    run(self, "cycle", { JFLASH_WAIT_S = ("%g"):format(wait_s) })
end

---@param config table
---@param context {name: string}
---@return jflash.power.Command
function M.new(config, context)
    return setmetatable({
        config = config,
        name = context.name,
        describe = "power commands of board " .. context.name,
        identity = "command " .. config.on,
        cycle = config.cycle and cycle or nil, -- else off, wait, on
    }, Command)
end

return M
