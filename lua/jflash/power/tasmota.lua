-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a plug with Tasmota, through an MQTT broker. The plug's own answer is waited
-- for: a broker takes commands for plugs that are not there.

local errors = require("jflash.errors")
local job = require("jflash.job")
local json_path = require("jflash.power.json_path")
local mqtt = require("jflash.mqtt")
local schema = require("jflash.schema")

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
    elseif config.password and not config.username then
        return "a password needs a username", "password"
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

---@class jflash.power.Tasmota
local Tasmota = {}
Tasmota.__index = Tasmota

-- What the broker, or OpenSSL, says of a failure that does not pass by itself, and what
-- to look at.
local REASONS = {
    { "not authorised", "look at the keys username and password: the broker does not let that user do this" },
    { "bad user name", "look at the keys username and password" },
    { "identifier rejected", "look at the key client_id" },
    { "no MQTT broker", "look at the keys host, port and tls" },
    { "verify failed", "look at the keys cacert and host: the broker's certificate must name it" },
    { "cannot be read", "look at the keys cacert, cert and key" },
    { "TLS", "look at the keys tls, port, cacert, cert and key" },
    { "apt install", "it is a package of Debian" },
}

local function raise(what, said, code)
    local hint
    for _, row in ipairs(REASONS) do
        hint = hint or said:lower():find(row[1]:lower(), 1, true) and row[2]
    end
    errors.raise({
        class = "host",
        code = code,
        retry = (hint or code == "unsupported") and 0 or nil,
        message = ("power %s: MQTT broker %s"):format(what, said),
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

local function must(self, what, ok, message, code)
    if not ok and code == "timeout" then
        message = ("%s (timeout_s: %g)"):format(message, self.config.timeout_s)
    end
    return ok or raise(what, message, code)
end

local function connect(self, what)
    local config = self.config
    return must(self, what, mqtt.connect(config.host, self.port, {
        client_id = config.client_id, username = config.username, password = config.password, tls = config.tls,
        cacert = config.cacert, cert = config.cert, key = config.key, insecure = config.insecure,
        timeout_s = config.timeout_s,
    }))
end

-- Sends a command and returns the first answer on `answers` that is not an old one,
-- which the broker had kept.
local function request(self, what, command, payload, answers)
    local deadline = job.now() + self.config.timeout_s
    local function left()
        return { timeout_s = math.max(deadline - job.now(), 0) }
    end
    local client <close> = connect(self, what)
    must(self, what, client:subscribe(answers, left()))
    must(self, what, client:publish(command, payload, left()))
    local message, said, code
    repeat
        message, said, code = client:receive(left())
    until not message or not message.retained
    if code == "timeout" then
        raise_silent(self, what, command)
    end
    return must(self, what, message, said, code).payload
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
    local port = config.port or config.tls and TLS_PORT or PORT
    local broker = ("%s:%d"):format(config.host, port)
    local cmnd = config.cmnd_topic or ("cmnd/%s/%s"):format(config.topic, relay)
    return setmetatable({
        config = config,
        port = port,
        broker = broker,
        cmnd_topic = cmnd,
        stat_topic = config.stat_topic or ("stat/%s/%s"):format(config.topic, relay),
        read = config.topic and read or nil,
        describe = ("plug %s behind MQTT broker %s of board %s"):format(config.topic or cmnd, broker, context.name),
        identity = ("tasmota %s %s"):format(broker, cmnd),
    }, Tasmota)
end

return M
