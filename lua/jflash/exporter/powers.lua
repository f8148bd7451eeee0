-- SPDX-License-Identifier: Apache-2.0
--
-- The Jumpstarter drivers that switch a board's power (or bring a console along with
-- it), by type: each becomes power of a type of jflash's own. Where there is none, its
-- keys are checked, its secrets kept, and commands suggested in its place.

local schema = require("jflash.schema")
local types = require("jflash.exporter.types")

local text, secret = types.text, types.secret

local PREFIX = "jumpstarter_driver_"

local function commands(on, off)
    local function argument(key, command)
        return "--set " .. require("jflash.shell").quote(("power.%s=%s"):format(key, command))
    end
    return ("use commands: --set power.type=command %s %s"):format(argument("on", on), argument("off", off))
end

local YKUSH = {
    part = "power",
    config = schema.record({
        serial = text({ to = "power.serial" }),
        port = schema.enum({ "1", "2", "3", "all" }, { to = "power.port" }),
        default = schema.enum({ "on", "off", "keep" }, { idle = "jflash switches when it is asked to" }),
    }),
    default = { ["power.type"] = "ykush", ["power.port"] = "all" },
}

-- Raritan's switchingOperation, which that driver switches when no other is named.
local SWITCHING = "1.3.6.1.4.1.13742.6.4.1.2.1.2.1"

-- Which object of which outlet: a preset's, which can tell the state too, or the named one.
local function snmp_outlet(keys, values)
    if (values.oid or SWITCHING) == SWITCHING then
        table.insert(keys, { key = "power.preset", text = "raritan", from = values.oid and "oid" })
        table.insert(keys, { key = "power.outlet", text = tostring(values.plug), from = "plug" })
        return
    end
    table.insert(keys, { key = "power.oid", text = ("%s.%d"):format(values.oid, values.plug), from = "oid" })
    table.insert(keys, { key = "power.on_value", text = "1", plain = true })
    table.insert(keys, { key = "power.off_value", text = "0", plain = true })
end

local SNMP = {
    part = "power",
    config = schema.record({
        host = text({ required = true }), user = text({ required = true }), plug = schema.integer({ required = true }),
        port = schema.integer({ min = 1, max = 65535 }), oid = text(), timeout = schema.number(),
        auth_protocol = schema.enum({ "NONE", "MD5", "SHA" }), auth_key = secret(),
        priv_protocol = schema.enum({ "NONE", "DES", "AES" }), priv_key = secret(),
    }),
    map = function(values)
        local keys = { { key = "power.type", text = "snmp" }, { key = "power.version", text = "3" } }
        for _, name in ipairs({ "host", "port", "user", "auth_protocol", "auth_key", "priv_protocol", "priv_key" }) do
            if values[name] then
                table.insert(keys, { key = "power." .. name, text = tostring(values[name]), from = name,
                    plain = name == "port" })
            end
        end
        if values.timeout then
            table.insert(keys, { key = "power.timeout_s", text = tostring(values.timeout), from = "timeout",
                plain = true })
        end
        snmp_outlet(keys, values)
        return keys
    end,
}

local function endpoint(options)
    return schema.record({
        url = text({ required = true }), method = text(), data = text(),
        voltage_path = text(), current_path = text(),
    }, options)
end

local function credentials()
    return schema.record({ user = text(), password = secret() }, { nullable = true, optional = true })
end

-- A request of theirs as one of power type http.
local function add_request(keys, values, from, to)
    for theirs, ours in pairs({ url = "url", method = "method", data = "body" }) do
        if values[from][theirs] then
            table.insert(keys, {
                key = ("power.%s.%s"):format(to, ours), text = values[from][theirs], from = from .. "." .. theirs,
            })
        end
    end
end

local function add_login(keys, auth, scheme)
    table.insert(keys, { key = "power.auth", text = scheme, from = "auth." .. scheme })
    for _, name in ipairs({ "user", "password" }) do
        if auth[scheme][name] then
            table.insert(keys, {
                key = "power." .. name, text = auth[scheme][name], from = ("auth.%s.%s"):format(scheme, name),
            })
        end
    end
end

local HTTP_POWER = {
    part = "power",
    config = schema.record({
        name = text(),
        power_on = endpoint({ required = true }), power_off = endpoint({ required = true }),
        power_read = endpoint({ nullable = true, optional = true }),
        auth = schema.record({ basic = credentials(), digest = credentials() }, { nullable = true, optional = true }),
    }),
    map = function(values)
        local keys = { { key = "power.type", text = "http" } }
        add_request(keys, values, "power_on", "on")
        add_request(keys, values, "power_off", "off")
        if values.power_read then
            add_request(keys, values, "power_read", "read")
            for theirs, ours in pairs({ voltage_path = "volts", current_path = "amps" }) do
                if values.power_read[theirs] then
                    table.insert(keys, { key = "power.read." .. ours, text = values.power_read[theirs],
                        from = "power_read." .. theirs })
                end
            end
        end
        for _, scheme in ipairs({ "digest", "basic" }) do
            if values.auth and values.auth[scheme] then
                add_login(keys, values.auth, scheme)
                break
            end
        end
        return keys
    end,
}

local function transport(name)
    if name == "tcp" then
        return "tasmota"
    end
    return nil, ("jflash reaches a broker by tcp, not by %s; where it listens there too, "):format(name)
        .. "--set power.type=tasmota"
end

local TASMOTA = {
    part = "power",
    config = schema.record({
        client_id = text({ to = "power.client_id" }),
        transport = schema.enum({ "tcp", "websockets", "unix" }, { to = "power.type", convert = transport }),
        timeout = schema.number({ nullable = true, to = "power.timeout_s" }),
        host = text({ required = true, to = "power.host" }),
        port = schema.integer({ min = 1, max = 65535, to = "power.port" }),
        tls = schema.boolean({ to = "power.tls" }),
        username = text({ to = "power.username" }),
        password = text({ secret = true, to = "power.password" }),
        cmnd_topic = text({ required = true, to = "power.cmnd_topic" }),
        stat_topic = text({ required = true, to = "power.stat_topic" }),
    }),
    default = { ["power.type"] = "tasmota" },
}

local NOYITO_SERIAL = {
    part = "power",
    config = schema.record({
        port = text({ required = true, to = "power.device" }),
        channel = schema.integer({ min = 1, max = 2, to = "power.channel" }),
        all_channels = schema.boolean({ to = "power.all_channels" }),
    }),
    default = { ["power.type"] = "noyito-serial" },
}

local NOYITO_HID = {
    part = "power",
    config = schema.record({
        vendor_id = schema.integer({ to = "power.vendor_id" }),
        product_id = schema.integer({ to = "power.product_id" }),
        num_channels = schema.integer({ min = 4, max = 8, to = "power.channels" }),
        channel = schema.integer({ min = 1, max = 8, to = "power.channel" }),
        all_channels = schema.boolean({ to = "power.all_channels" }),
    }),
    default = { ["power.type"] = "noyito-hid" },
}

local ENERGENIE = {
    part = "power",
    config = schema.record({
        host = text({ required = true, to = "power.host" }),
        password = text({ secret = true, to = "power.password" }),
        slot = schema.integer({ min = 1, max = 4, to = "power.slot" }),
    }),
    default = { ["power.type"] = "energenie" },
}

local GPIO = {
    part = "power",
    config = schema.record({
        device = text(), line = schema.integer({ required = true, min = 0 }),
        drive = schema.enum({ "open_drain", "push_pull", "open_source" }, { nullable = true }),
        bias = schema.enum({ "as_is", "pull_up", "pull_down", "disabled" }, { nullable = true }),
        active_low = schema.boolean(), initial_value = schema.open(), mode = text(),
    }),
}

local function virtual_power()
    return "jflash runs its own virtual boards: --board qemu-arm64, or power type qemu in a jflash.yaml"
end

local function no_power()
    return "it switches nothing; --set power.type=manual asks the person at the terminal"
end

local QEMU = {
    part = "virtual board",
    config = schema.record({ password = secret() }, { rest = schema.open() }),
    brings = { power = PREFIX .. "qemu.driver.QemuPower", console = PREFIX .. "qemu.driver.QemuConsole" },
    instead = virtual_power,
}

local DUTLINK = {
    part = "test harness",
    config = schema.record({}, { rest = schema.open() }),
    brings = { power = PREFIX .. "dutlink.driver.DutlinkPower", console = PREFIX .. "dutlink.driver.DutlinkSerial" },
}

local function brought(part, instead)
    return { part = part, config = schema.record({}, { rest = schema.open() }), instead = instead }
end

local function any_commands()
    return commands("COMMAND", "COMMAND")
end

for _, driver in ipairs({ GPIO, DUTLINK }) do
    driver.instead = any_commands
end

local function own_tty()
    return "name its tty: --set console.device=/dev/NAME"
end

return {
    [PREFIX .. "shell.driver.Shell"] = require("jflash.exporter.shell"),
    [PREFIX .. "yepkit.driver.Ykush"] = YKUSH,
    [PREFIX .. "snmp.driver.SNMPServer"] = SNMP,
    [PREFIX .. "http_power.driver.HttpPower"] = HTTP_POWER,
    [PREFIX .. "tasmota.driver.TasmotaPower"] = TASMOTA,
    [PREFIX .. "noyito_relay.driver.NoyitoPowerSerial"] = NOYITO_SERIAL,
    [PREFIX .. "noyito_relay.driver.NoyitoPowerHID"] = NOYITO_HID,
    [PREFIX .. "energenie.driver.EnerGenie"] = ENERGENIE,
    [PREFIX .. "gpiod.driver.PowerSwitch"] = GPIO,
    [PREFIX .. "ridesx.driver.RideSXPowerDriver"] = brought("power", any_commands),
    [PREFIX .. "power.driver.MockPower"] = brought("power", no_power),
    [PREFIX .. "power.driver.SyncMockPower"] = brought("power", no_power),
    [PREFIX .. "qemu.driver.Qemu"] = QEMU,
    [PREFIX .. "qemu.driver.QemuPower"] = brought("power", virtual_power),
    [PREFIX .. "qemu.driver.QemuConsole"] = brought("console", virtual_power),
    [PREFIX .. "dutlink.driver.Dutlink"] = DUTLINK,
    [PREFIX .. "dutlink.driver.DutlinkPower"] = brought("power", any_commands),
    [PREFIX .. "dutlink.driver.DutlinkSerial"] = brought("console", own_tty),
}
