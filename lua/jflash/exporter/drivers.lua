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
local serial_url = require("jflash.exporter.serial_url")
local text = require("jflash.exporter.types").text

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

------------------------------------------------------------------------------
-- Flashers

local function flasher(bundle)
    return {
        part = "flasher",
        config = schema.record({
            flasher_bundle = to("bundle"),
            variant = to("variant"),
            manifest = to("manifest"),
            default_target = to("default_target"),
            cache_dir = to("cache_dir"),
            cacert = to("cacert"),
            tftp_dir = text({ unused = DIRECTORY }),
            http_dir = text({ unused = DIRECTORY }),
        }),
        default = { bundle = REGISTRY .. bundle .. ":latest" },
    }
end

------------------------------------------------------------------------------
-- Consoles

local function pace(cps)
    return tonumber(cps) > 0 and cps or nil
end

local PYSERIAL = {
    part = "console",
    config = schema.record({
        url = schema.string({ required = true, filled = true, to = "console.device", convert = serial_url.device }),
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
        baudrate = schema.integer(), cps = schema.number({ nullable = true }),
        timeout = schema.number(), poll_interval = schema.number(),
    }),
    instead = function()
        return "run the demultiplexer beside and name its pty: --set console.device=/dev/pts/N"
    end,
}

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
    [PREFIX .. "composite.driver.Composite"] = { part = "composite", config = schema.record({}) },
    [PREFIX .. "tftp.driver.Tftp"] = server("tftp"),
    [PREFIX .. "http.driver.HttpServer"] = server("http", {
        timeout = schema.number({ unused = "timeouts.write_stall_s bounds a transfer that stands still" }),
    }),
    [PREFIX .. "uboot.driver.UbootConsole"] = UBOOT,
}

for type, driver in pairs(require("jflash.exporter.powers")) do
    M.known[type] = driver
end

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

---The types that jflash can have as the part `part` of a board, sorted.
---@param part string
---@return string[]
function M.types(part)
    local types = {}
    for type, driver in pairs(M.known) do
        types[#types + 1] = driver.part == part and not driver.instead and type or nil
    end
    table.sort(types)
    return types
end

return M
