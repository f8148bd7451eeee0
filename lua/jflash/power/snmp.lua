-- SPDX-License-Identifier: Apache-2.0
--
-- Power by outlets behind an SNMP agent, through net-snmp's programs. Communities and
-- keys go to them in a file that only this user can read: a command line is everybody's.

local errors = require("jflash.errors")
local presets = require("jflash.power.snmp_presets")
local schema = require("jflash.schema")
local sys = require("jflash.sys")

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
local RETRIES = 2
local OVERHEAD_S = 5

---@class jflash.power.Snmp
local Snmp = {}
Snmp.__index = Snmp

local function quoted(value)
    return '"' .. value:gsub('[\\"]', "\\%0") .. '"'
end

local function settings(config)
    local lines = { "defVersion " .. config.version }
    if config.version ~= "3" then
        table.insert(lines, "defCommunity " .. quoted(config.community))
        return table.concat(lines, "\n") .. "\n"
    end
    table.insert(lines, "defSecurityName " .. quoted(config.user))
    table.insert(lines, "defSecurityLevel " .. (config.priv_key and "authPriv" or config.auth_key and "authNoPriv"
        or "noAuthNoPriv"))
    if config.auth_key then
        table.insert(lines, "defAuthType " .. config.auth_protocol)
        table.insert(lines, "defAuthPassphrase " .. quoted(config.auth_key))
    end
    if config.priv_key then
        table.insert(lines, "defPrivType " .. config.priv_protocol)
        table.insert(lines, "defPrivPassphrase " .. quoted(config.priv_key))
    end
    return table.concat(lines, "\n") .. "\n"
end

-- What the agent, or the program, says of a failure; whether a further try may help,
-- and what to look at.
local REASONS = {
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

local function raise(self, what, said)
    local words = said:match("Reason: ([^\n]+)") or said:match("([^\n]+)%s*$") or "it failed"
    local passing, hint = false, nil
    for _, row in ipairs(REASONS) do
        if said:find(row[1], 1, true) then
            passing, hint = row[2], row[3]
            break
        end
    end
    errors.raise({
        class = "host",
        code = "failed",
        retry = not passing and 0 or nil,
        message = ("power %s: SNMP agent %s: %s"):format(what, self.agent, words),
        hint = hint,
    })
end

-- Runs one of net-snmp's programs with a folder of settings of its own: neither the
-- user's files nor MIBs are read, nothing is kept.
local function run(self, what, program, arguments)
    local dir = errors.check("host", sys.temp_dir("jflash-snmp-"))
    local cleanup <close> = setmetatable({}, { __close = function() sys.remove_tree(dir) end })
    errors.check("host", sys.write_file(dir .. "/snmp.conf", settings(self.config)))
    local _ = cleanup
    local argv = { program, "-Oqvet", "-r", tostring(RETRIES), "-t",
        ("%.2f"):format(self.config.timeout_s / (RETRIES + 1)), self.agent }
    local result, message, code = sys.run(table.move(arguments, 1, #arguments, #argv + 1, argv), {
        env = { SNMPCONFPATH = dir, SNMP_PERSISTENT_DIR = dir, MIBS = "", MIBDIRS = dir },
        timeout_s = self.config.timeout_s + OVERHEAD_S,
    })
    if not result and code == "timeout" then
        raise(self, what, "No Response")
    elseif not result then
        errors.raise({ class = "host", code = code, retry = 0, message = ("power %s: %s"):format(what, message),
            hint = "apt install snmp" })
    elseif result.status ~= 0 or result.stdout:find("^No Such") then
        raise(self, what, result.status ~= 0 and result.stderr or result.stdout)
    end
    return (result.stdout:gsub("%s+$", ""))
end

local function set(self, what, object, value)
    run(self, what, "snmpset", { object, "i", tostring(value) })
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
    local said = run(self, "state", "snmpget", { self.objects.state_oid })
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

local function read(self)
    local reading = {}
    for name, sensor in pairs(self.objects.read) do
        local value = tonumber(run(self, "read", "snmpget", { sensor[1] }))
        reading[name] = value and value * sensor[2]
    end
    return reading
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
