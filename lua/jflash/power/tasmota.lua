-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a plug with Tasmota, through an MQTT broker and mosquitto's programs. The
-- plug's own answer is waited for: a broker takes commands for plugs that are not there.

local errors = require("jflash.errors")
local json_path = require("jflash.power.json_path")
local schema = require("jflash.schema")
local sys = require("jflash.sys")

local M = {}

M.summary = "a plug with Tasmota behind an MQTT broker"

local function text()
    return schema.string({ nullable = true, filled = true })
end

local function check_topic(topic)
    return topic:find("[+#%z]") and schema.quoted(topic) .. " is no topic of one device (no + and #)" or nil
end

local function topic()
    return schema.string({ nullable = true, filled = true, check = check_topic })
end

local function check(config)
    if not config.topic and not (config.cmnd_topic and config.stat_topic) then
        return "needs the key 'topic', or 'cmnd_topic' and 'stat_topic'"
    elseif (config.cert == nil) ~= (config.key == nil) then
        return "cert and key belong together", "cert"
    end
    return nil
end

M.schema = schema.record({
    host = schema.string({ required = true, filled = true }),
    port = schema.integer({ nullable = true, min = 1, max = 65535 }),
    topic = topic(),
    channel = schema.integer({ nullable = true, min = 1, max = 32 }),
    cmnd_topic = topic(),
    stat_topic = topic(),
    username = text(),
    password = schema.string({ nullable = true, secret = true }),
    client_id = text(),
    tls = schema.boolean({ default = false }),
    cacert = text(),
    cert = text(),
    key = text(),
    insecure = schema.boolean({ default = false }),
    timeout_s = schema.duration({ default = 10.0, min = 0.05 }),
}, { check = check })

local PORT, TLS_PORT = 1883, 8883
local TIMED_OUT = 27 -- mosquitto_rr's status
local OVERHEAD_S = 2

---@class jflash.power.Tasmota
local Tasmota = {}
Tasmota.__index = Tasmota

-- The options that its programs read from a file of the user's: what a command line
-- would show to everybody.
local function settings(config)
    local lines = { "-h " .. config.host, "-p " .. (config.port or config.tls and TLS_PORT or PORT), "-V mqttv311" }
    local function add(option, value)
        if value then
            table.insert(lines, option .. " " .. value)
        end
    end
    add("-u", config.username)
    add("-P", config.password)
    add("-i", config.client_id)
    add("--cafile", config.cacert)
    add("--cert", config.cert)
    add("--key", config.key)
    if config.tls and not config.cacert then
        table.insert(lines, "--tls-use-os-certs")
    end
    if config.insecure then
        table.insert(lines, "--insecure")
    end
    return table.concat(lines, "\n") .. "\n"
end

local REASONS = {
    -- What mosquitto's programs make of a CONNACK of MQTT 3.1.1 that refuses.
    { "Connection error", "look at the keys username and password: the broker did not let us in" },
    { "not authorised", "look at the keys username and password" },
    { "certificate", "look at the keys cacert, cert and host: the broker's certificate must name it" },
    { "TLS", "look at the keys tls, port, cacert and cert" },
    { "Unable to open", "look at the keys cacert, cert and key" },
    { "cacert", "look at the keys cacert, cert and key" },
}

local function raise(self, what, said)
    local hint
    for _, row in ipairs(REASONS) do
        hint = hint or said:lower():find(row[1]:lower(), 1, true) and row[2]
    end
    errors.raise({
        class = "host",
        code = "failed",
        retry = hint and 0 or nil,
        message = ("power %s: MQTT broker %s: %s"):format(what, self.broker, said),
        hint = hint or "is the broker on, and does it listen there?",
    })
end

local function raise_silent(self, what, command)
    errors.raise({
        class = "host",
        code = "timeout",
        message = ("power %s: the broker %s took %s, and the plug did not answer on %s within %g s"):format(what,
            self.broker, command, self.stat_topic, self.config.timeout_s),
        hint = "is the plug on the network, and are the topics right? Tasmota's console shows what it hears",
    })
end

-- Sends a command and returns the first answer on `answers`.
local function request(self, what, command, payload, answers)
    local dir = errors.check("host", sys.temp_dir("jflash-mqtt-"))
    local cleanup <close> = setmetatable({}, { __close = function() sys.remove_tree(dir) end })
    errors.check("host", sys.write_file(dir .. "/mosquitto_rr", settings(self.config)))
    local _ = cleanup
    local argv = { "mosquitto_rr", "-t", command, "-e", answers, "-R", "-W",
        tostring(math.ceil(self.config.timeout_s)) }
    if payload == "" then
        table.insert(argv, "-n")
    else
        table.move({ "-m", payload }, 1, 2, #argv + 1, argv)
    end
    local result, message, code = sys.run(argv, { env = { XDG_CONFIG_HOME = dir, HOME = dir },
        timeout_s = self.config.timeout_s + OVERHEAD_S })
    if not result and code ~= "timeout" then
        errors.raise({ class = "host", code = code, retry = 0, message = ("power %s: %s"):format(what, message),
            hint = "apt install mosquitto-clients" })
    elseif not result or result.status == TIMED_OUT then
        raise_silent(self, what, command)
    end
    local said = (result.stderr .. result.stdout):gsub("%s+$", "")
    if result.status ~= 0 then
        raise(self, what, said:match("[^\n]*$"))
    end
    return result.stdout:gsub("%s+$", "")
end

local function answer(self, what, payload)
    local said = request(self, what, self.cmnd_topic, payload, self.stat_topic):upper()
    if said ~= "ON" and said ~= "OFF" then
        errors.raise({ class = "host", code = "protocol", retry = 0,
            message = ("power %s: the plug answered neither ON nor OFF on %s: %s"):format(what, self.stat_topic,
                schema.quoted(said)),
            hint = "look at the keys topic, channel and stat_topic" })
    end
    return said:lower()
end

function Tasmota:on()
    answer(self, "on", "ON")
end

function Tasmota:off()
    answer(self, "off", "OFF")
end

function Tasmota:state()
    return answer(self, "state", "")
end

-- STATUS8: what a plug that measures has measured.
local function read(self)
    local base = self.config.topic
    local said = request(self, "read", ("cmnd/%s/STATUS"):format(base), "8", ("stat/%s/STATUS8"):format(base))
    local reading = {}
    for name, key in pairs({ volts = "Voltage", amps = "Current", watts = "Power" }) do
        local path = "StatusSNS.ENERGY." .. key
        reading[name] = tonumber(json_path.find(said, ("%s[%d]"):format(path, (self.config.channel or 1) - 1)))
            or tonumber(json_path.find(said, path))
    end
    return next(reading) and reading or nil
end

---@param config table
---@param context {name: string}
---@return jflash.power.Tasmota
function M.new(config, context)
    local relay = "POWER" .. (config.channel or "")
    local broker = ("%s:%d"):format(config.host, config.port or config.tls and TLS_PORT or PORT)
    local cmnd = config.cmnd_topic or ("cmnd/%s/%s"):format(config.topic, relay)
    return setmetatable({
        config = config,
        broker = broker,
        cmnd_topic = cmnd,
        stat_topic = config.stat_topic or ("stat/%s/%s"):format(config.topic, relay),
        read = config.topic and read or nil,
        describe = ("plug %s behind MQTT broker %s of board %s"):format(config.topic or cmnd, broker, context.name),
        identity = ("tasmota %s %s"):format(broker, cmnd),
    }, Tasmota)
end

return M
