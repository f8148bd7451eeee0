-- SPDX-License-Identifier: Apache-2.0
--
-- The Jumpstarter drivers that jflash knows: what part of a board each is, its keys,
-- and which key of a board's configuration each becomes.
--
-- A driver: `part` (flasher, console, power, tftp, http, uboot), `config` (the type of
-- its `config`), `default` (board keys that it brings), `map` (makes board keys from
-- several of its keys), `brings` (drivers below it that are not written in the file).
-- One that jflash cannot do has `instead`, which says what to use.
--
-- A key's type has `to` (the board's key that it becomes), or says why it becomes none:
-- `unused` (a warning: jflash does without), `idle` (jflash has no need of it).
-- `convert(text)` makes the board's value: nil drops the key, nil and a text refuse it.

local board_schema = require("jflash.board_schema")
local nearest = require("jflash.nearest")
local schema = require("jflash.schema")

local M = {}

local PREFIX = "jumpstarter_driver_"
local FLASHERS = PREFIX .. "flashers.driver."
local REGISTRY = "quay.io/jumpstarter-dev/jumpstarter-flasher-"

local DIRECTORY = "jflash serves files from memory and from where they are, and needs no folder for it"
local CLEANED = "jflash leaves no files behind"

local function board_type(key)
    local type = board_schema
    for part in key:gmatch("[^.]+") do
        type = type and type.fields and type.fields[part]
    end
    return type
end

-- A key that becomes the board's key `key`, under the same rules.
local function to(key, options)
    local type = {}
    for name, value in pairs(board_type(key) or {}) do
        type[name] = value
    end
    type.default, type.required, type.to = nil, nil, key
    for name, value in pairs(options or {}) do
        type[name] = value
    end
    return type
end

local function text(options)
    options = options or {}
    options.nullable = not options.required
    return schema.string(options)
end

local function number(options)
    return schema.number(options or {})
end

local function secret()
    return schema.string({ nullable = true, secret = true })
end

-- A command's argument, as a shell reads it.
local function quote(value)
    value = tostring(value)
    return value:find("^[%w@%%+=:,./_-]+$") and value or require("jflash.shell").quote(value)
end

local function commands(on, off)
    local function argument(key, command)
        return "--set " .. require("jflash.shell").quote(("power.%s=%s"):format(key, command))
    end
    return ("use commands: --set power.type=command %s %s"):format(argument("on", on), argument("off", off))
end

------------------------------------------------------------------------------
-- Flashers

-- Not every jflash has these keys of a board.
local function to_if_there(key, without)
    return board_type(key) and to(key) or schema.string({ nullable = true, unused = without })
end

local function flasher(bundle)
    return {
        part = "flasher",
        config = schema.record({
            flasher_bundle = to("bundle"),
            variant = to("variant"),
            manifest = to("manifest"),
            default_target = to("default_target"),
            cache_dir = to_if_there("cache_dir", "bundles are not fetched yet"),
            cacert = to_if_there("cacert", "images are not fetched by https yet"),
            tftp_dir = text({ unused = DIRECTORY }),
            http_dir = text({ unused = DIRECTORY }),
        }),
        default = { bundle = REGISTRY .. bundle .. ":latest" },
    }
end

------------------------------------------------------------------------------
-- Consoles

local CONSOLE_INSTEAD = "use a tty, tcp:HOST:PORT or unix:PATH: --set console.device=/dev/NAME"

-- pySerial's URL as console.device.
local function device(url)
    local address = url:match("^socket://([^/?]+)")
    if url:match("^/") then
        return url
    elseif address then
        return "tcp:" .. address
    elseif url:match("^rfc2217://") then
        return nil, "jflash does not speak RFC 2217; where ser2net serves the line raw too, "
            .. "--set console.device=tcp:HOST:PORT"
    end
    return nil, ("jflash cannot open %s; %s"):format(schema.quoted(url), CONSOLE_INSTEAD)
end

local function pace(cps)
    return tonumber(cps) > 0 and cps or nil
end

local PYSERIAL = {
    part = "console",
    config = schema.record({
        url = schema.string({ required = true, filled = true, to = "console.device", convert = device }),
        baudrate = to("console.baudrate"),
        cps = to("console.cps", { min = 0, convert = pace }),
        disable_hupcl = to("console.disable_hupcl"),
        check_present = schema.boolean({ idle = "jflash opens the console before it touches the power" }),
        always_on = schema.boolean({ idle = "jflash reads the console at all times" }),
    }),
}

local NVIDIA = {
    part = "console",
    config = schema.record({
        demuxer_path = text(), device = text(), target = text(), chip = text(),
        baudrate = schema.integer(), cps = number({ nullable = true }),
        timeout = number(), poll_interval = number(),
    }),
    instead = function()
        return "run the demultiplexer beside and name its pty: --set console.device=/dev/pts/N"
    end,
}

------------------------------------------------------------------------------
-- Power

local SHELL = require("jflash.exporter.shell")

local YKUSH = {
    part = "power",
    config = schema.record({
        serial = text(), port = schema.enum({ "1", "2", "3", "all" }), default = schema.enum({ "on", "off", "keep" }),
    }),
    instead = function(values)
        local hub = values.serial and "-s " .. quote(values.serial) .. " " or ""
        local port = values.port == "all" and "a" or values.port or "a"
        return commands(("ykushcmd %s-u %s"):format(hub, port), ("ykushcmd %s-d %s"):format(hub, port))
    end,
}

local SNMP = {
    part = "power",
    config = schema.record({
        host = text({ required = true }), user = text({ required = true }), plug = schema.integer({ required = true }),
        port = schema.integer({ min = 1, max = 65535 }), oid = text(), timeout = number(),
        auth_protocol = schema.enum({ "NONE", "MD5", "SHA" }), auth_key = secret(),
        priv_protocol = schema.enum({ "NONE", "DES", "AES" }), priv_key = secret(),
    }),
    instead = function(values)
        local command = ("snmpset -v3 -u %s %s:%d %s.%d i %%d"):format(quote(values.user or "USER"),
            quote(values.host or "HOST"), values.port or 161,
            quote(values.oid or "1.3.6.1.4.1.13742.6.4.1.2.1.2.1"), values.plug or 1)
        return commands(command:format(1), command:format(0))
            .. " (its keys belong in ~/.snmp/snmp.conf, where no process list shows them)"
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

local HTTP_POWER = {
    part = "power",
    config = schema.record({
        name = text(),
        power_on = endpoint({ required = true }), power_off = endpoint({ required = true }),
        power_read = endpoint({ nullable = true, optional = true }),
        auth = schema.record({ basic = credentials(), digest = credentials() }, { nullable = true, optional = true }),
    }),
    instead = function(values)
        local function curl(request)
            local method = request and request.method or "GET"
            return ("curl -fsS -X %s %s"):format(quote(method), quote(request and request.url or "URL"))
        end
        return commands(curl(values.power_on), curl(values.power_off))
            .. (values.auth and " (with its password in ~/.netrc and curl -n)" or "")
    end,
}

local TASMOTA = {
    part = "power",
    config = schema.record({
        client_id = text(), transport = schema.enum({ "tcp", "websockets", "unix" }),
        timeout = number({ nullable = true }), host = text({ required = true }),
        port = schema.integer({ min = 1, max = 65535 }), tls = schema.boolean(),
        username = text(), password = secret(),
        cmnd_topic = text({ required = true }), stat_topic = text({ required = true }),
    }),
    instead = function(values)
        local command = ("mosquitto_pub -h %s -p %d -t %s -m %%s"):format(quote(values.host or "HOST"),
            values.port or 1883, quote(values.cmnd_topic or "TOPIC"))
        return commands(command:format("ON"), command:format("OFF"))
    end,
}

local NOYITO_SERIAL = {
    part = "power",
    config = schema.record({
        port = text({ required = true }), channel = schema.integer({ min = 1, max = 2 }),
        all_channels = schema.boolean(),
    }),
}

local NOYITO_HID = {
    part = "power",
    config = schema.record({
        vendor_id = schema.integer(), product_id = schema.integer(),
        num_channels = schema.integer({ min = 4, max = 8 }), channel = schema.integer({ min = 1, max = 8 }),
        all_channels = schema.boolean(),
    }),
}

local ENERGENIE = {
    part = "power",
    config = schema.record({
        host = text({ required = true }), password = secret(), slot = schema.integer({ min = 1, max = 4 }),
    }),
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

for _, driver in ipairs({ NOYITO_SERIAL, NOYITO_HID, ENERGENIE, GPIO, DUTLINK }) do
    driver.instead = any_commands
end

------------------------------------------------------------------------------
-- What a flasher may bring along

local function server(key, options)
    local host = board_type(key .. ".host")
    local fields = {
        root_dir = text({ unused = DIRECTORY }),
        -- Empty stands for the address that faces the board.
        host = to(key .. ".host", {
            nullable = true,
            check = function(address) return address ~= "" and host.check(address) or nil end,
            convert = function(address) return address ~= "" and address or nil end,
        }),
        port = to(key .. ".port"),
        remove_created_on_close = schema.boolean({ idle = CLEANED }),
    }
    for name, type in pairs(options or {}) do
        fields[name] = type
    end
    return { part = key, config = schema.record(fields) }
end

-- jflash looks for the prompt anywhere.
local function prompt(written)
    local shown = written:gsub("^[\r\n]+", "")
    if shown == "" then
        return nil, "a prompt has more than line ends"
    end
    return shown
end

local UBOOT = {
    part = "uboot",
    config = schema.record({ prompt = to("uboot.prompt", { convert = prompt }) }),
}

---All known drivers by their type.
---@type table<string, table>
M.known = {
    [FLASHERS .. "BaseFlasher"] = flasher("test"),
    [FLASHERS .. "TIJ784S4Flasher"] = flasher("ti-j784s4"),
    [FLASHERS .. "RCarS4Flasher"] = flasher("rcar-s4"),
    [PREFIX .. "pyserial.driver.PySerial"] = PYSERIAL,
    [PREFIX .. "pyserial.nvdemux.driver.NVDemuxSerial"] = NVIDIA,
    [PREFIX .. "shell.driver.Shell"] = SHELL,
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
    [PREFIX .. "dutlink.driver.DutlinkSerial"] = brought("console", function() return CONSOLE_INSTEAD end),
    [PREFIX .. "composite.driver.Composite"] = { part = "composite", config = schema.record({}) },
    [PREFIX .. "tftp.driver.Tftp"] = server("tftp"),
    [PREFIX .. "http.driver.HttpServer"] = server("http", {
        timeout = number({ unused = "timeouts.write_stall_s bounds a transfer that stands still" }),
    }),
    [PREFIX .. "uboot.driver.UbootConsole"] = UBOOT,
}

---The driver of this type; nil when it is not known.
---@param type string
---@return table?
function M.find(type)
    return M.known[type]
end

local function class(type)
    return type:match("[^.]+$") or type
end

---" (did you mean 'x'?)" for a type that is not known, by its last part; else "".
---@param type string
---@return string
function M.hint(type)
    local by_class = {}
    for known in pairs(M.known) do
        by_class[class(known)] = known
    end
    local found = nearest.find(class(type), schema.names(by_class))
    return found and (" (did you mean '%s'?)"):format(by_class[found]) or ""
end

---The types that are the part `part` of a board, sorted.
---@param part string
---@return string[]
function M.types(part)
    local types = {}
    for type, driver in pairs(M.known) do
        types[#types + 1] = driver.part == part and type or nil
    end
    table.sort(types)
    return types
end

return M
