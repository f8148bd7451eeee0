-- SPDX-License-Identifier: Apache-2.0
--
-- The one USB device of the HID class that a power driver means, opened for one action.

local access = require("jflash.access")
local errors = require("jflash.errors")
local hid = require("jflash.hid")

local M = {}

---@class jflash.power.HidWanted
---@field name string  for messages
---@field vendor_id integer
---@field product_ids integer[]
---@field ignored_ids integer[]|nil  further ones, which the kernel leaves to programs
---@field product string|nil  a pattern: whose name is another is another device with the same numbers
---@field serial string|nil  which one of several
---@field hint string|nil  when there is none
---@field serial_of nil|fun(device: table): string|nil  for those whose own number USB does not tell

local function fail(what, code, message, hint)
    errors.raise({ class = "host", code = code, retry = 0, message = ("power %s: %s"):format(what, message),
        hint = hint })
end

local function rule(device)
    return ('SUBSYSTEM=="%s", ATTRS{idVendor}=="%04x", ATTRS{idProduct}=="%04x", TAG+="uaccess", '
        .. 'GROUP="plugdev", MODE="0660"'):format(device.path:find("^/") and "hidraw" or "usb", device.vendor_id,
        device.product_id)
end

-- "serial ABC", or where it is plugged in.
local function label(device)
    return device.serial ~= "" and "serial " .. device.serial or device.path
end

-- All devices of the wanted kinds. Each way to them has a library of its own: one that
-- is not installed counts when the other way has found nothing.
local function list(what, wanted)
    local found, failure = {}, nil
    local function look(product_ids, way)
        for _, product_id in ipairs(product_ids) do
            local devices, message, code = hid.list(wanted.vendor_id, product_id, way)
            failure = failure or not devices and { message = message, code = code }
            for _, device in ipairs(devices or {}) do
                if device.product:find(wanted.product or "") then
                    table.insert(found, device)
                end
            end
        end
    end
    look(wanted.product_ids, "hidraw")
    look(wanted.ignored_ids or {}, "libusb")
    if #found == 0 and failure then
        fail(what, failure.code, failure.message)
    end
    return found
end

local function open(what, device)
    local opened, message, code, errno = hid.open(device.path)
    if not opened then
        fail(what, code, message, access.hint(device.path, errno, access.add_rule(rule(device))))
    end
    return opened
end

-- The number that the card itself tells, where it may be asked.
local function own_serial(device, wanted)
    local opened <close> = hid.open(device.path)
    return opened and wanted.serial_of(opened) or device.serial
end

-- Those with the wanted serial number, with their numbers filled in.
local function select(devices, wanted)
    local fits, names = {}, {}
    for _, device in ipairs(devices) do
        if wanted.serial_of and #devices + (wanted.serial and 1 or 0) > 1 then
            device.serial = own_serial(device, wanted)
        end
        table.insert(names, label(device))
        if not wanted.serial or device.serial == wanted.serial then
            table.insert(fits, device)
        end
    end
    return fits, table.concat(names, ", ")
end

--- Runs `action` with the device, which is closed behind it. A failure of the device is
--- class host.
---@param what string  for messages: "on", "off", "state"
---@param wanted jflash.power.HidWanted
---@param action fun(device: table, info: table): any, string|nil, string|nil
---@return any
function M.use(what, wanted, action)
    local fits, names = select(list(what, wanted), wanted)
    if #fits == 0 then
        fail(what, "missing", names == "" and ("there is no %s at this host"):format(wanted.name)
            or ("there is no %s with serial %s; there is %s"):format(wanted.name, wanted.serial, names),
            wanted.hint or "lsusb shows what is plugged in")
    elseif #fits > 1 then
        fail(what, "config", ("there are %d: %s"):format(#fits, names), "choose one by the key power.serial")
    end
    local device <close> = open(what, fits[1])
    local result, message, code = action(device, fits[1])
    if result == nil and message then
        errors.raise({ class = "host", code = code, message = ("power %s: %s: %s"):format(what, wanted.name, message) })
    end
    return result
end

return M
