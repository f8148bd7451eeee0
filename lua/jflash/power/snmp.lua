-- SPDX-License-Identifier: Apache-2.0
--
-- Power by outlets behind an SNMP agent.

local errors = require("jflash.errors")
local presets = require("jflash.power.snmp_presets")
local schema = require("jflash.schema")
local snmp = require("jflash.snmp")

local M = {}

M.summary = "outlets of a PDU that speaks SNMP: Raritan, APC, Eaton, Server Technology, others"

local function check_oid(oid)
    return not oid:find("^%.?%d+[.%d]*%d$") and schema.quoted(oid) .. " is no number of an object: 1.3.6.1…" or nil
end

local function oid()
    return schema.string({ nullable = true, check = check_oid })
end

local function text()
    return schema.string({ nullable = true, filled = true })
end

local function key()
    return schema.string({ nullable = true, secret = true, check = function(value)
        return #value < 8 and "it has at least 8 characters (RFC 3414, section 11.2)" or nil
    end })
end

local function check(config)
    if config.preset and not config.outlet then
        return "preset " .. config.preset .. " needs the key 'outlet'", "preset"
    elseif not config.preset and not (config.oid and config.on_value and config.off_value) then
        return "needs the keys 'oid', 'on_value' and 'off_value', or a 'preset'"
    elseif config.version == "3" and not config.user then
        return "version 3 needs the key 'user'", "version"
    elseif (config.auth_protocol ~= "NONE") ~= (config.auth_key ~= nil) then
        return "auth_protocol and auth_key belong together", "auth_protocol"
    elseif (config.priv_protocol ~= "NONE") ~= (config.priv_key ~= nil) then
        return "priv_protocol and priv_key belong together", "priv_protocol"
    elseif config.priv_key and not config.auth_key then
        return "nothing is encrypted without authentication: set auth_protocol and auth_key", "priv_protocol"
    end
    return nil
end

M.schema = schema.record({
    host = schema.string({ required = true, filled = true }),
    port = schema.integer({ default = 161, min = 1, max = 65535 }),
    version = schema.enum({ "1", "2c", "3" }, { default = "2c" }),
    community = schema.string({ default = "private", secret = true }),
    user = text(),
    auth_protocol = schema.enum({ "NONE", "MD5", "SHA", "SHA-256", "SHA-512" }, { default = "NONE" }),
    auth_key = key(),
    priv_protocol = schema.enum({ "NONE", "DES", "AES" }, { default = "NONE" }),
    priv_key = key(),
    preset = schema.enum(schema.names(presets), { nullable = true }),
    outlet = schema.string({ nullable = true, check = function(outlet)
        return not outlet:find("^%d+[.%d]*$") and schema.quoted(outlet) .. " is no number of an outlet" or nil
    end }),
    oid = oid(),
    on_value = schema.integer({ nullable = true }),
    off_oid = oid(),
    off_value = schema.integer({ nullable = true }),
    state_oid = oid(),
    state_on = schema.list(schema.string(), { nullable = true }),
    state_off = schema.list(schema.string(), { nullable = true }),
    timeout_s = schema.duration({ default = 5.0, min = 0.1 }),
}, { check = check })

-- A PDU switches one outlet after the other.
local SETTLE_S = 10

---@class jflash.power.Snmp
local Snmp = {}
Snmp.__index = Snmp

-- What the agent, or net-snmp, says of a failure; whether a further try may help, and
-- what to look at.
local REASONS = {
    { "No Response to an encrypted", true, "a wrong key gets no answer: look at priv_protocol and priv_key" },
    { "No Response", true, "is the agent on, and does it listen there? A wrong community gets no answer either" },
    { "Authentication failure", false, "look at auth_protocol, auth_key and community" },
    { "Decryption error", false, "look at priv_protocol and priv_key" },
    { "Unknown user name", false, "look at the key user" },
    { "Unsupported security level", false, "the agent wants another auth_protocol or priv_protocol for that user" },
    { "authorizationError", false, "the agent lets this user or community not do that" },
    { "noAccess", false, "the agent lets this user or community not write" },
    { "notWritable", false, "the agent lets this user or community not write, or the object is another one" },
    { "readOnly", false, "the agent lets this user or community not write" },
    { "noSuchName", false, "look at the keys outlet, oid and preset" },
    { "No Such", false, "look at the keys outlet, oid and preset" },
    { "wrongType", false, "the object takes no integer: look at the key oid" },
    { "wrongValue", false, "look at the keys on_value and off_value" },
}

local function raise(what, message, code)
    local passing, hint = false, nil
    for _, row in ipairs(REASONS) do
        if message:find(row[1], 1, true) then
            passing, hint = row[2], row[3]
            break
        end
    end
    errors.raise({
        class = "host",
        code = code,
        retry = not passing and 0 or nil,
        message = ("power %s: %s"):format(what, message),
        hint = hint,
    })
end

-- The first two results of a call of jflash.snmp.
local function expect(what, result, message, code)
    if code then
        raise(what, message, code)
    end
    return result, message
end

local function open(self, what)
    local config = self.config
    return (expect(what, snmp.open(config.host, {
        port = config.port,
        version = config.version,
        community = config.community,
        user = config.user,
        auth_protocol = config.auth_key and config.auth_protocol,
        auth_key = config.auth_key,
        priv_protocol = config.priv_key and config.priv_protocol,
        priv_key = config.priv_key,
        timeout_s = config.timeout_s,
    })))
end

local function set(self, what, object, value)
    local session <close> = open(self, what)
    expect(what, session:set(object, value))
end

function Snmp:on()
    set(self, "on", self.objects.oid, self.objects.on_value)
end

function Snmp:off()
    set(self, "off", self.objects.off_oid or self.objects.oid, self.objects.off_value)
end

local function contains(list, word)
    for _, item in ipairs(list or {}) do
        if item == word then
            return true
        end
    end
    return false
end

local function state(self)
    local session <close> = open(self, "state")
    local value, words = expect("state", session:get(self.objects.state_oid))
    if value == false then
        raise("state", ("SNMP agent %s: %s"):format(self.agent, words), "failed")
    end
    local said = tostring(value)
    if contains(self.objects.state_on, said) then
        return "on"
    elseif contains(self.objects.state_off, said) then
        return "off"
    elseif contains(self.objects.state_pending, said) then
        return "changing"
    end
    return errors.raise({ class = "host", code = "protocol", retry = 0,
        message = ("power state: SNMP agent %s: %s of %s is neither on nor off"):format(self.agent,
            schema.quoted(said), self.objects.state_oid),
        hint = "look at the keys state_oid, state_on and state_off" })
end

-- nil, as a whole too, where the outlet is not measured: not every model does.
local function read(self)
    local session <close> = open(self, "read")
    local reading = {}
    for name, sensor in pairs(self.objects.read) do
        local value = tonumber((expect("read", session:get(sensor.oid))))
        reading[name] = value and value >= 0 and value * sensor.factor or nil
    end
    return next(reading) and reading or nil
end

---@param config table
---@param context {name: string}
---@return jflash.power.Snmp
function M.new(config, context)
    local objects = config.preset and presets[config.preset](config.outlet) or {}
    for _, name in ipairs({ "oid", "on_value", "off_oid", "off_value", "state_oid", "state_on", "state_off" }) do
        if config[name] ~= nil then
            objects[name] = config[name]
        end
    end
    objects.state_on = objects.state_on or { tostring(objects.on_value) }
    objects.state_off = objects.state_off or { tostring(objects.off_value) }
    local agent = ("udp:%s:%d"):format(config.host, config.port)
    return setmetatable({
        config = config,
        objects = objects,
        agent = agent,
        settle_s = SETTLE_S,
        state = objects.state_oid and state or nil,
        read = objects.read and read or nil,
        describe = ("outlet %s behind SNMP agent %s of board %s"):format(config.outlet or objects.oid, agent,
            context.name),
        identity = ("snmp %s %s"):format(agent, objects.oid),
    }, Snmp)
end

return M
