-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a server's own controller (IPMI), through ipmitool.

local errors = require("jflash.errors")
local schema = require("jflash.schema")
local sys = require("jflash.sys")

local M = {}

M.summary = "a server's controller that speaks IPMI, through ipmitool"

M.schema = schema.record({
    host = schema.string({ required = true, filled = true }),
    port = schema.integer({ default = 623, min = 1, max = 65535 }),
    user = schema.string({ nullable = true, filled = true }),
    password = schema.string({ nullable = true, secret = true }),
    interface = schema.enum({ "lanplus", "lan" }, { default = "lanplus" }),
    cipher_suite = schema.integer({ nullable = true, min = 0, max = 17 }),
    timeout_s = schema.duration({ default = 30.0, min = 0.05 }),
})

-- A controller takes its time until it tells what it has done.
local SETTLE_S = 15

---@class jflash.power.Ipmi
local Ipmi = {}
Ipmi.__index = Ipmi

local function argv(self, words)
    local config = self.config
    local list = { "ipmitool", "-I", config.interface, "-H", config.host, "-p", tostring(config.port) }
    local function add(option, value)
        if value ~= nil then
            table.move({ option, tostring(value) }, 1, 2, #list + 1, list)
        end
    end
    add("-U", config.user)
    add("-C", config.cipher_suite)
    if config.password then
        table.insert(list, "-E") -- from the environment: no process list shows it
    end
    return table.move(words, 1, #words, #list + 1, list)
end

local function last_line(text)
    return text:gsub("%s+$", ""):match("[^\n]*$")
end

-- What ipmitool says of a login or a session is no accident.
local LASTING = { "password", "privilege", "RAKP", "Invalid user", "Unauthorized", "authentication type" }

local function raise(self, what, code, reason)
    local lasting
    for _, word in ipairs(LASTING) do
        lasting = lasting or reason:lower():find(word:lower(), 1, true)
    end
    errors.raise({
        class = "host",
        code = code,
        retry = lasting and 0 or nil,
        message = ("power %s: ipmitool at %s: %s"):format(what, self.config.host, reason),
        hint = lasting and "look at the keys user, password, interface and cipher_suite"
            or "try it by hand: " .. table.concat(argv(self, { "chassis", "power", "status" }), " "),
    })
end

local function run(self, what, words)
    local result, message, code = sys.run(argv(self, words), {
        env = { IPMITOOL_PASSWORD = self.config.password },
        timeout_s = self.config.timeout_s,
    })
    if not result and code == "timeout" then
        raise(self, what, code, ("no answer within %g s"):format(self.config.timeout_s))
    elseif not result then
        errors.raise({ class = "host", code = code, retry = 0, message = ("power %s: %s"):format(what, message),
            hint = "apt install ipmitool" })
    elseif result.status ~= 0 then
        raise(self, what, "failed", last_line(result.stderr ~= "" and result.stderr or result.stdout))
    end
    return result.stdout
end

function Ipmi:on()
    run(self, "on", { "chassis", "power", "on" })
end

function Ipmi:off()
    run(self, "off", { "chassis", "power", "off" })
end

function Ipmi:state()
    local said = run(self, "state", { "chassis", "power", "status" })
    local state = said:match("Chassis Power is (%a+)")
    if state ~= "on" and state ~= "off" then
        raise(self, "state", "protocol", "it says neither on nor off: " .. schema.quoted(last_line(said)))
    end
    return state
end

function Ipmi:read()
    local said = run(self, "read", { "dcmi", "power", "reading" })
    local watts = said:match("Instantaneous power reading:%s*(%d+) Watts")
    if not watts then
        raise(self, "read", "protocol", "no reading of the power in it: " .. schema.quoted(last_line(said)))
    end
    return { watts = tonumber(watts) }
end

---@param config table
---@param context {name: string}
---@return jflash.power.Ipmi
function M.new(config, context)
    return setmetatable({
        config = config,
        settle_s = SETTLE_S,
        describe = ("IPMI controller %s of board %s"):format(config.host, context.name),
        identity = ("ipmi %s:%d"):format(config.host, config.port),
    }, Ipmi)
end

return M
