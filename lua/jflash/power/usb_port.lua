-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a port of a USB hub that can switch its ports: through the kernel's
-- `disable` attribute of a port (Linux 6.0 and later), or through uhubctl.

local access = require("jflash.access")
local errors = require("jflash.errors")
local schema = require("jflash.schema")
local sys = require("jflash.sys")

local M = {}

M.summary = "a port of a USB hub that switches its ports, through sysfs or uhubctl"

local function check_hub(hub)
    return not hub:find("^%d+%-[%d.]+$") and not hub:find("^usb%d+$") and not hub:find("^%d+$")
        and schema.quoted(hub) .. " is no hub as in /sys/bus/usb/devices: 1-1, 1-1.4, usb1" or nil
end

M.schema = schema.record({
    hub = schema.string({ required = true, check = check_hub }),
    port = schema.integer({ required = true, min = 1, max = 255 }),
    method = schema.enum({ "auto", "sysfs", "uhubctl" }, { default = "auto" }),
    sysfs = schema.string({ default = "/sys", filled = true }),
    timeout_s = schema.duration({ default = 20.0, min = 0.05 }),
})

---@class jflash.power.UsbPort
local UsbPort = {}
UsbPort.__index = UsbPort

-- A root hub is usb1; its ports are named 1-0:1.0/usb1-port2. Of the hub 1-1.4 it is
-- 1-1.4:1.0/1-1.4-port2.
local function attribute(config)
    local root = config.hub:match("^usb(%d+)$") or config.hub:match("^(%d+)$")
    local interface = root and root .. "-0:1.0" or config.hub .. ":1.0"
    local name = root and "usb" .. root or config.hub
    return ("%s/bus/usb/devices/%s/%s-port%d/disable"):format(config.sysfs, interface, name, config.port)
end

local function fail(what, code, message, hint)
    errors.raise({ class = "host", code = code, retry = 0, message = ("power %s: %s"):format(what, message),
        hint = hint })
end

local function check_hub_is_there(self, what)
    local hub = self.path:match("^(.*)/[^/]+/disable$")
    if not sys.stat(hub) then
        fail(what, "missing", ("there is no USB hub %s (%s)"):format(self.config.hub, hub),
            "lsusb -t shows the hubs; ls /sys/bus/usb/devices their names")
    end
end

-- Linux's numbers, which is what io.open has.
local EACCES, EROFS = 13, 30

local sysfs = {}

function sysfs.set(self, what)
    local file, message, number = io.open(self.path, "w")
    if not file and number == EACCES then
        fail(what, "io", message, access.hint(self.path, "EACCES", access.give(self.path)))
    elseif not file and number == EROFS then
        fail(what, "io", message, "a container may only read /sys: run jflash on the host")
    elseif not file then
        check_hub_is_there(self, what)
        fail(what, "unsupported", ("%s: the kernel cannot switch this port"):format(message),
            "Linux 6.0 or later can; or --set power.method=uhubctl")
    end
    local ok
    ok, message = file:write(what == "off" and "1" or "0")
    local closed, why = file:close()
    if not (ok and closed) then
        fail(what, "io", ("%s: %s"):format(self.path, message or why),
            "not every hub can switch its ports: uhubctl lists those that can")
    end
end

function sysfs.state(self)
    local text, message = sys.read_file(self.path)
    if not text then
        check_hub_is_there(self, "state")
        fail("state", "io", message, "--set power.method=uhubctl")
    end
    return text:match("^1") and "off" or "on"
end

-- Lets uhubctl have hubs; of dist/70-jflash.rules.
local HUB_RULE = 'SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{bDeviceClass}=="09", GROUP="plugdev", MODE="0664"'

local uhubctl = {}

local function run(self, what, words)
    local argv = { "uhubctl", "-l", (self.config.hub:gsub("^usb", "")), "-p", tostring(self.config.port) }
    local result, message, code = sys.run(table.move(words, 1, #words, #argv + 1, argv), {
        timeout_s = self.config.timeout_s,
    })
    if not result then
        fail(what, code, "uhubctl: " .. message, code ~= "timeout" and "apt install uhubctl" or nil)
    elseif result.status ~= 0 then
        local said = result.stderr .. result.stdout
        local denied = said:match("[^\n]*ermission[^\n]*")
        fail(what, "failed", "uhubctl: " .. (denied or said:match("[^\n]*")), denied and access.add_rule(HUB_RULE)
            or "uhubctl alone lists the hubs that can switch their ports")
    end
    return result.stdout
end

function uhubctl.set(self, what)
    run(self, what, { "-a", what })
end

-- The last line about the port is how it is now.
function uhubctl.state(self)
    local said = run(self, "state", {})
    local status
    for bits in said:gmatch(("Port %d: (%%x%%x%%x%%x)"):format(self.config.port)) do
        status = tonumber(bits, 16)
    end
    if not status then
        fail("state", "protocol", ("uhubctl says nothing of port %d"):format(self.config.port),
            "uhubctl alone lists the hubs that can switch their ports")
    end
    -- Port power, as USB 2.0 (table 11-21) and USB 3 (table 10-13) have it.
    return (status & 0x0300) ~= 0 and "on" or "off"
end

local function method(self)
    local wanted = self.config.method
    if wanted == "auto" then
        wanted = sys.stat(self.path) and "sysfs" or "uhubctl"
    end
    return wanted == "sysfs" and sysfs or uhubctl
end

function UsbPort:on()
    method(self).set(self, "on")
end

function UsbPort:off()
    method(self).set(self, "off")
end

function UsbPort:state()
    return method(self).state(self)
end

---@param config table
---@param context {name: string}
---@return jflash.power.UsbPort
function M.new(config, context)
    local path = attribute(config)
    return setmetatable({
        config = config,
        path = path,
        describe = ("USB hub %s port %d of board %s"):format(config.hub, config.port, context.name),
        identity = "usb-port " .. path,
    }, UsbPort)
end

return M
