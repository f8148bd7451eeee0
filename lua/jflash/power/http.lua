-- SPDX-License-Identifier: Apache-2.0
--
-- Power by HTTP requests: plugs, PDUs and services with a web interface. A preset
-- knows a device's requests; what the configuration says itself comes before it.

local client = require("jflash.http_client")
local errors = require("jflash.errors")
local json_path = require("jflash.power.json_path")
local presets = require("jflash.power.http_presets")
local schema = require("jflash.schema")
local urls = require("jflash.url")

local M = {}

M.summary = "HTTP requests: Shelly, Tasmota, NETIO, ESPHome, Home Assistant, PDUDaemon, Redfish, others"

local function text()
    return schema.string({ nullable = true, filled = true })
end

local function check_url(url)
    return not url:find("^https?://[^/]") and schema.quoted(url) .. " is no http:// or https:// URL" or nil
end

-- A request, and what else its record holds.
local function request(more)
    local fields = {
        url = schema.string({ required = true, check = check_url }),
        method = schema.string({ default = "GET", filled = true }),
        body = schema.string({ nullable = true }),
        headers = schema.map(schema.string({ secret = true }), { nullable = true, default = {} }),
    }
    for key, field in pairs(more or {}) do
        fields[key] = field
    end
    return schema.record(fields, { nullable = true, optional = true })
end

local function values(default)
    return schema.list(schema.string(), { default = default })
end

local function check(config)
    if config.preset and not config.host then
        return "preset " .. config.preset .. " needs the key 'host'", "preset"
    elseif not config.preset and not (config.on and config.off) then
        return "needs the keys 'on' and 'off', or a 'preset'"
    end
    for _, key in ipairs(config.preset and presets[config.preset](config).needs or {}) do
        if not config[key] then
            return ("preset %s needs the key '%s'"):format(config.preset, key), "preset"
        end
    end
    return nil
end

M.schema = schema.record({
    preset = schema.enum(schema.names(presets), { nullable = true }),
    host = text(),
    outlet = text(),
    pdu = text(),
    chassis = text(),
    on = request(),
    off = request(),
    state = request({ path = text(), on = values({ "on", "true", "1" }), off = values({ "off", "false", "0" }) }),
    read = request({
        volts = text(), amps = text(), watts = text(),
        volts_factor = schema.number({ default = 1 }), amps_factor = schema.number({ default = 1 }),
        watts_factor = schema.number({ default = 1 }),
    }),
    auth = schema.enum({ "none", "basic", "digest" }, { nullable = true }),
    user = text(),
    password = schema.string({ nullable = true, secret = true }),
    bearer = schema.string({ nullable = true, secret = true }),
    cacert = text(),
    insecure = schema.boolean({ default = false }),
    timeout_s = schema.duration({ default = 10.0, min = 0.05 }),
}, { check = check })

local HINTS = {
    [401] = "look at the keys user, password, bearer and auth",
    [403] = "look at the keys user, password, bearer and auth",
    [404] = "look at the host, the outlet and the URL",
}

---@class jflash.power.Http
local Http = {}
Http.__index = Http

local function header_lines(headers)
    local lines = {}
    for _, name in ipairs(schema.names(headers or {})) do
        table.insert(lines, name .. ": " .. headers[name])
    end
    return lines
end

-- Sends the request `what` and returns the answer's text.
local function ask(self, what)
    local config, wanted = self.config, self.requests[what]
    local name = ("%s %s"):format(wanted.method or "GET", urls.shown(wanted.url))
    local login = self.auth ~= "none" and config.password ~= nil
    local answer, message, code, outcome = client.ask({
        url = wanted.url, name = name, method = wanted.method or "GET", body = wanted.body,
        headers = header_lines(wanted.headers), digest = self.auth == "digest",
        user = login and self.user or nil, password = login and config.password or nil,
        bearer = config.bearer, cacert = config.cacert, insecure = config.insecure,
        timeout_s = config.timeout_s,
    })
    if answer then
        return answer.body
    end
    errors.raise({
        class = "host",
        code = code,
        retry = not outcome.passing and 0 or nil,
        message = ("power %s: %s"):format(what, message),
        hint = HINTS[outcome.status] or "ask it by hand: curl -i " .. urls.shown(wanted.url),
    })
end

local function fail_answer(what, body, reason)
    errors.raise({
        class = "host",
        code = "protocol",
        retry = 0,
        message = ("power %s: %s: %s"):format(what, reason, schema.quoted(body)),
        hint = ("look at the key power.%s.path, and at what the device answers"):format(what),
    })
end

local function contains(list, word)
    for _, item in ipairs(list or {}) do
        if item:lower() == word:lower() then
            return true
        end
    end
    return false
end

local function state(self)
    local wanted = self.requests.state
    local body = ask(self, "state")
    local value = json_path.find(body, wanted.path)
    if math.type(value) == "float" then
        value = math.tointeger(value) or value
    end
    local word = tostring(value)
    if value ~= nil and contains(wanted.on or { "on", "true", "1" }, word) then
        return "on"
    elseif value ~= nil and contains(wanted.off or { "off", "false", "0" }, word) then
        return "off"
    elseif value ~= nil and contains(wanted.pending, word) then
        return word
    end
    return fail_answer("state", body, "the answer says neither on nor off")
end

local function read(self)
    local wanted, body, reading = self.requests.read, ask(self, "read"), {}
    for _, name in ipairs({ "volts", "amps", "watts" }) do
        local value = wanted[name] and tonumber(json_path.find(body, wanted[name]))
        reading[name] = value and value * (wanted[name .. "_factor"] or 1)
    end
    if next(reading) == nil then
        fail_answer("read", body, "the answer has no volts, amps or watts")
    end
    return reading
end

local function switch(self, what)
    if self.asks_first and state(self) == what then
        return
    end
    ask(self, what)
end

function Http:on()
    switch(self, "on")
end

function Http:off()
    switch(self, "off")
end

---@param config table
---@param context {name: string}
---@return jflash.power.Http
function M.new(config, context)
    local preset = config.preset and presets[config.preset](config) or {}
    local requests = {}
    for _, what in ipairs({ "on", "off", "state", "read" }) do
        requests[what] = config[what] or preset[what]
        urls.keep_secrets((requests[what] or { url = "" }).url)
    end
    local place = urls.shown(requests.on.url)
    return setmetatable({
        config = config,
        requests = requests,
        auth = config.auth or preset.auth or "basic",
        user = config.user or preset.user or "",
        asks_first = preset.asks_first,
        settle_s = preset.settle_s,
        state = requests.state and state or nil,
        read = requests.read and read or nil,
        describe = ("%s of board %s (%s)"):format(config.preset or "web power switch", context.name, place),
        identity = ("http %s %s"):format(requests.on.url, requests.on.body or ""),
    }, Http)
end

return M
