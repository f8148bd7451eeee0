-- SPDX-License-Identifier: Apache-2.0
--
-- What specs inside the hardware guest have at hand (run.sh): the far ends of its serial devices,
-- QEMU's control socket, and a second look at the hardware, past the program under test.
--
--   local board <close> = guest.peer("tty")      -- plays the board behind guest.tty()
--   board:send("=> ")
--   guest.qmp("device_del", { id = "adapter" })  -- pulls the plug
local console_peer = require("tests.support.console_peer")
local json = require("jflash.json")
local sys = require("jflash.sys")

local M = {}

local PORTS = "/sys/class/virtio-ports"

M.await = console_peer.await

--- Runs a shell command that must do.
---@param command string
---@return string stdout
function M.sh(command)
    local result = assert(sys.run({ "/bin/sh", "-c", command }, { timeout_s = 60 }))
    assert(result.status == 0, command .. ": " .. result.stderr)
    return result.stdout
end

---@param path string
---@return string without the line's end
function M.read(path)
    return (assert(sys.read_file(path)):gsub("\n$", ""))
end

--- The device of a port that run.sh made.
---@param name string
---@return string
function M.port(name)
    for _, port in ipairs(sys.list(PORTS)) do
        if M.read(PORTS .. "/" .. port .. "/name") == name then
            return "/dev/" .. port
        end
    end
    error("the machine has no port " .. name)
end

--- The far end of a serial device, for one spec at a time: a console to be closed.
---@param name "tty"|"usb"
function M.peer(name)
    local peer = console_peer.relay("OPEN:" .. M.port(name))
    return setmetatable({}, {
        __index = function(_, key)
            return function(_, ...)
                return peer.board[key](peer.board, ...)
            end
        end,
        __close = function()
            getmetatable(peer).__close(peer)
        end,
    })
end

--- A command to QEMU. What it refuses ends the test.
---@param command string
---@param arguments table|nil
function M.qmp(command, arguments)
    local qmp <close> = M.peer("qmp")
    assert(qmp:send('{"execute": "qmp_capabilities"}\n'))
    assert(qmp:send(json.encode({ execute = command, arguments = arguments, id = command }) .. "\n"))
    local answer = assert(qmp:expect('re:\\{[^\\n]*"id": "' .. command .. '"[^\\n]*\\}', { timeout_s = 20 }))
    assert(answer.text:find('"return"', 1, true), answer.text)
end

--- Waits for the terminal of the USB adapter at a port of the hub 1-1.
---@param port integer
---@return string  "ttyUSB0"
function M.usb_tty(port)
    return M.await("the adapter's terminal", function()
        local interface = ("/sys/bus/usb/devices/1-1.%d:1.0"):format(port)
        for _, name in ipairs(sys.stat(interface) and sys.list(interface) or {}) do
            if name:find("^ttyUSB%d") and sys.stat("/dev/" .. name) then
                return name
            end
        end
    end)
end

--- Plugs a USB serial adapter (0403:6001, ftdi_sio) into the hub 1-1.
---@param adapter {port: integer, serial: string, chardev: string|nil}  chardev "usb" leads to guest.peer("usb")
---@return string  "ttyUSB0"
function M.plug(adapter)
    M.qmp("device_add", { driver = "usb-serial", id = "adapter" .. adapter.port, bus = "xhci.0",
        port = "1." .. adapter.port, serial = adapter.serial, chardev = adapter.chardev or "nowhere",
        ["always-plugged"] = true })
    return M.usb_tty(adapter.port)
end

--- Pulls the adapter out.
---@param port integer
function M.unplug(port)
    M.qmp("device_del", { id = "adapter" .. port })
    M.await("the end of the adapter", function()
        return not sys.stat("/sys/bus/usb/devices/1-1." .. port)
    end)
end

-- Whether the HID device that a process plays has its node.
local function is_hidraw(pid)
    for _, name in ipairs(sys.list("/sys/class/hidraw") or {}) do
        local about = sys.read_file("/sys/class/hidraw/" .. name .. "/device/uevent") or ""
        if about:find("HID_PHYS=" .. pid .. "\n", 1, true) and sys.stat("/dev/" .. name) then
            return true
        end
    end
end

-- Whether a USB device with that serial number has its configuration.
local function is_at_usb(serial)
    for _, name in ipairs(sys.list("/sys/bus/usb/devices")) do
        local device = "/sys/bus/usb/devices/" .. name
        if sys.read_file(device .. "/serial") == serial .. "\n" and sys.stat(device .. "/" .. name .. ":1.0") then
            return true
        end
    end
end

--- Plugs in a HID device that hid_device.py plays, e.g. "ykush3"; to be closed.
---@param kind string
---@param serial string
---@return {said: fun(): string[]}  the reports that came since the last time
function M.hid_device(kind, serial)
    local log = os.tmpname()
    local process = assert(sys.spawn({ "python3", "-IS", "tests/guest/hid_device.py", kind, serial }, {
        stdout = log, stderr = log,
    }))
    M.await("the HID device", function()
        return is_hidraw(process:pid()) or kind == "ykush" and is_at_usb(serial)
    end)
    local seen = 0
    return setmetatable({
        said = function()
            local lines = {}
            for line in M.read(log):gmatch("[^\n]+") do
                table.insert(lines, line)
            end
            local fresh = table.move(lines, seen + 1, #lines, 1, {})
            seen = #lines
            return fresh
        end,
    }, { __close = function()
        process:kill()
        process:wait()
        process:close()
        os.remove(log)
    end })
end

-- The 16550 on the PCI bus: a serial port with a driver as every PC has it.
local function uart()
    for _, name in ipairs(sys.list("/sys/class/tty")) do
        local device = sys.realpath("/sys/class/tty/" .. name .. "/device")
        if device and sys.stat(device .. "/resource0") then
            return name, device
        end
    end
    error("the machine has no serial port on its PCI bus")
end

---@return string path
function M.tty()
    return "/dev/" .. uart()
end

-- The modem control register of a 16550.
local MCR, DTR, RTS = 4, 0x01, 0x02

--- What the hardware drives, as its register has it: opening the terminal to ask would raise
--- the lines.
---@return {dtr: boolean, rts: boolean}
function M.lines()
    local _, device = uart()
    local file <close> = assert(io.open(device .. "/resource0", "rb"))
    file:setvbuf("no")
    file:seek("set", MCR)
    local bits = file:read(1):byte()
    return { dtr = bits & DTR ~= 0, rts = bits & RTS ~= 0 }
end

-- The line control register has the break's bit.
local BREAK_WATCHER = [[
import os, sys, time
uart = os.open(sys.argv[1], os.O_RDONLY)
def wait_break(held):
    while bool(os.pread(uart, 1, 3)[0] & 0x40) != held:
        pass
    return time.monotonic()
print("watching", flush=True)
start = wait_break(True)
print(wait_break(False) - start, flush=True)
]]

--- Watches the hardware for a break, from now on; to be closed.
---@return {held_s: fun(): number}  waits for its end
function M.watch_break()
    local _, device = uart()
    local log = os.tmpname()
    local process = assert(sys.spawn({ "python3", "-IS", "-c", BREAK_WATCHER, device .. "/resource0" }, {
        stdout = log,
    }))
    M.await("the watcher", function()
        return sys.read_file(log) ~= ""
    end)
    return setmetatable({
        held_s = function()
            assert(process:wait({ timeout_s = 20 }))
            return tonumber(M.read(log):match("[%d.]+"))
        end,
    }, { __close = function()
        process:close()
        os.remove(log)
    end })
end

--- A terminal's settings, by stty: {speed = "115200", cs8 = true, parenb = false, …}.
---@param path string
---@return table<string, boolean|string>
function M.settings(path)
    local said = M.sh("stty -a -F " .. path)
    local found = { speed = said:match("speed (%d+) baud") }
    for minus, word in said:gsub("^[^\n]*\n", ""):gmatch("(%-?)(%l%w+)") do
        found[word] = minus == ""
    end
    return found
end

return M
