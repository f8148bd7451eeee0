-- SPDX-License-Identifier: Apache-2.0
--
-- Devices that are switched by HTTP: what each is asked for, as the keys of power
-- type http would say it. A preset takes the board's `power` and returns `on`, `off`,
-- and where the device can tell `state` and `read`; `auth` and `user` are what it logs
-- in by when the configuration has a password.

local json = require("jflash.json")

local M = {}

local function escape(text)
    return (tostring(text):gsub("[^%w._~-]", function(char)
        return ("%%%02X"):format(char:byte())
    end))
end

local function get(url)
    return { method = "GET", url = url }
end

local function post(url, body)
    return { method = "POST", url = url, body = body and json.encode(body), headers = body and
        { ["Content-Type"] = "application/json" } or nil }
end

local function with(request, more)
    for key, value in pairs(more) do
        request[key] = value
    end
    return request
end

-- Outlets count from `first` where their devices count so.
local function outlet(config, first)
    return math.tointeger(tonumber(config.outlet or first))
end

-- "http://HOST", or what was given as a URL.
local function base(config, scheme, port)
    if config.host:find("://", 1, true) then
        return (config.host:gsub("/+$", ""))
    end
    local has_port = config.host:find(":%d+$")
    return ("%s://%s%s"):format(scheme or "http", config.host, port and not has_port and ":" .. port or "")
end

-- Shelly's first generation: https://shelly-api-docs.shelly.cloud/gen1/
function M.shelly1(config)
    local channel = outlet(config, 0)
    local url = ("%s/relay/%d"):format(base(config), channel)
    return {
        auth = "basic", user = "admin",
        on = get(url .. "?turn=on"),
        off = get(url .. "?turn=off"),
        state = with(get(url), { path = "ison" }),
        read = with(get(base(config) .. "/status"), { watts = ("meters[%d].power"):format(channel) }),
    }
end

-- Its later ones: Switch.Set and Switch.GetStatus of their RPC.
function M.shelly2(config)
    local url, id = base(config) .. "/rpc/Switch.", outlet(config, 0)
    local status = ("%sGetStatus?id=%d"):format(url, id)
    return {
        auth = "digest", user = "admin",
        on = get(("%sSet?id=%d&on=true"):format(url, id)),
        off = get(("%sSet?id=%d&on=false"):format(url, id)),
        state = with(get(status), { path = "output" }),
        read = with(get(status), { volts = "voltage", amps = "current", watts = "apower" }),
    }
end

-- Tasmota's web commands; the login stands in the query.
M["tasmota-http"] = function(config)
    local login = config.password and ("user=%s&password=%s&"):format(escape(config.user or "admin"),
        escape(config.password)) or ""
    local name = "Power" .. outlet(config, 1)
    local function command(words)
        return get(("%s/cm?%scmnd=%s"):format(base(config), login, escape(words)))
    end
    return {
        auth = "none",
        on = command(name .. " On"),
        off = command(name .. " Off"),
        -- A device with one relay calls it POWER.
        state = with(command(name), { path = name:upper() .. "|POWER" }),
        read = with(command("Status 8"), {
            volts = "StatusSNS.ENERGY.Voltage|StatusSNS.ENERGY.Voltage[0]",
            amps = "StatusSNS.ENERGY.Current|StatusSNS.ENERGY.Current[0]",
            watts = "StatusSNS.ENERGY.Power|StatusSNS.ENERGY.Power[0]",
        }),
    }
end

-- NETIO's JSON over HTTP (M2M API).
function M.netio(config)
    local id, url = outlet(config, 1), base(config) .. "/netio.json"
    local output = ("Outputs[%d]."):format(id - 1)
    local function action(number)
        return post(url, { Outputs = { { ID = id, Action = number } } })
    end
    return {
        auth = "basic", user = "netio",
        on = action(1),
        off = action(0),
        state = with(get(url), { path = output .. "State" }),
        read = with(get(url), { volts = "GlobalMeasure.Voltage", watts = output .. "Load",
            amps = output .. "Current", amps_factor = 0.001 }), -- mA
    }
end

-- ESPHome's web_server: `outlet` is the switch's id.
function M.esphome(config)
    local url = ("%s/switch/%s"):format(base(config), escape(config.outlet or "relay"))
    return {
        auth = "digest", user = "admin",
        on = post(url .. "/turn_on"),
        off = post(url .. "/turn_off"),
        state = with(get(url), { path = "state" }),
    }
end

-- Home Assistant's REST API: `outlet` is the entity, `bearer` a long-lived token.
function M.homeassistant(config)
    local url = base(config, "http", 8123) .. "/api/"
    local entity = { entity_id = config.outlet }
    return {
        auth = "none", needs = { "outlet", "bearer" },
        on = post(url .. "services/homeassistant/turn_on", entity),
        off = post(url .. "services/homeassistant/turn_off", entity),
        state = with(get(url .. "states/" .. escape(config.outlet or "")), { path = "state" }),
    }
end

-- PDUDaemon's HTTP listener: `pdu` is the PDU's name in its configuration.
function M.pdudaemon(config)
    local function control(word)
        return get(("%s/power/control/%s?hostname=%s&port=%s"):format(base(config, "http", 16421), word,
            escape(config.pdu or ""), escape(config.outlet or 1)))
    end
    return { auth = "none", needs = { "pdu" }, on = control("on"), off = control("off") }
end

-- DMTF DSP0266: `outlet` is the system's id. Switching on what is on is an error there.
function M.redfish(config)
    local url = base(config, "https") .. "/redfish/v1/"
    local system = url .. "Systems/" .. escape(config.outlet or "1")
    local function reset(kind)
        return post(system .. "/Actions/ComputerSystem.Reset", { ResetType = kind })
    end
    return {
        auth = "basic", user = "admin", asks_first = true, settle_s = 30,
        on = reset("On"),
        off = reset("ForceOff"),
        state = with(get(system), { path = "PowerState", pending = { "PoweringOn", "PoweringOff" } }),
        read = with(get(url .. "Chassis/" .. escape(config.chassis or config.outlet or "1") .. "/Power"),
            { watts = "PowerControl[0].PowerConsumedWatts" }),
    }
end

return M
