-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a USB hub's port: with a fake of sysfs, and a stand-in for uhubctl, since
-- no machine of a test has such a hub.
local support = require("tests.support.power")
local sys = require("jflash.sys")

local STAND_IN = [[#!/bin/sh
# A STAND-IN for uhubctl: port 2 of hub 1-1.4 can be switched.
dir=$(dirname "$0")
echo "$*" >>"$dir/calls"
complain() {
    echo "No compatible devices detected at location $1!"
    [ "$1" != 3-1 ] || printf '%s\n' "There were permission problems while accessing USB." \
        "Follow https://git.io/JIB2Z for a fix!"
    echo "Run with -h to get usage info."
    exit 1
} >&2
[ "$2" = 1-1.4 ] || complain "$2"
show() {
    echo "$1 status for hub 1-1.4 [05e3:0608 USB2.0 Hub, USB 2.00, 4 ports, ppps]"
    echo "  Port 2: $(cat "$dir/status" 2>/dev/null || echo '0100 power')"
}
show Current
case "$*" in
*"-a off") echo '0000 off' >"$dir/status"; show New ;;
*"-a on") echo '0103 power enable connect' >"$dir/status"; show New ;;
esac
]]

describe("power by a USB hub's port", function()
    local dir, path

    before_each(function()
        dir = assert(sys.temp_dir("jflash-test-"))
        path = os.getenv("PATH")
    end)

    after_each(function()
        assert(sys.remove_tree(dir))
    end)

    local function open(config)
        config.type, config.sysfs = "usb-port", dir
        return support.open(config)
    end

    local function port(interface, name)
        local folder = ("%s/bus/usb/devices/%s/%s"):format(dir, interface, name)
        assert(sys.run({ "mkdir", "-p", folder }))
        assert(sys.write_file(folder .. "/disable", "0\n"))
        return folder .. "/disable"
    end

    it("writes the kernel's attribute, of a hub and of a root hub", function()
        for _, row in ipairs({
            { "1-1.4", "1-1.4:1.0", "1-1.4-port2" },
            { "usb3", "3-0:1.0", "usb3-port2" },
            { "3", "3-0:1.0", "usb3-port2" },
        }) do
            local file = port(row[2], row[3])
            local power = open({ hub = row[1], port = 2 })
            power:off()
            assert.equal("1", sys.read_file(file))
            assert.equal("off", power:state())
            power:on()
            assert.equal("0", sys.read_file(file))
        end
    end)

    it("says when the hub, or its kernel's attribute, is not there", function()
        local power = open({ hub = "1-1.4", port = 3, method = "sysfs" })
        local failure = support.failure_of(power.off, power)
        assert.truthy(failure.message:find("there is no USB hub 1-1.4", 1, true), failure.message)
        port("1-1.4:1.0", "1-1.4-port2")
        failure = support.failure_of(power.off, power)
        assert.truthy(failure.message:find("the kernel cannot switch this port", 1, true), failure.message)
        assert.truthy(failure.hint:find("uhubctl", 1, true))
        assert.equal("config", support.failure_of(open, { hub = "../1", port = 1 }).class)
    end)

    it("asks uhubctl where the kernel has no attribute", function()
        assert(sys.write_file(dir .. "/uhubctl", STAND_IN))
        assert(sys.run({ "chmod", "755", dir .. "/uhubctl" }))
        assert(sys.write_file(dir .. "/use.lua", ([[
            local powers = require("jflash.power")
            local power = powers.open({ type = "usb-port", hub = "1-1.4", port = 2, sysfs = %q }, { name = "bench" })
            power:off() print(power:state()) power:on() print(power:state())
            local other = powers.open({ type = "usb-port", hub = "2-1", port = 2, sysfs = %q }, { name = "bench" })
            print(select(2, pcall(other.off, other)).message)
            other = powers.open({ type = "usb-port", hub = "3-1", port = 2, sysfs = %q }, { name = "bench" })
            local failure = select(2, pcall(other.off, other))
            print(failure.message) print(failure.hint)
        ]]):format(dir, dir, dir)))
        local result = assert(sys.run({ sys.process_exe(sys.pid()), "run", dir .. "/use.lua" },
            { env = { PATH = dir .. ":" .. path } }))
        local wanted = "off\non\npower off: uhubctl: No compatible devices detected at location 2-1!\n"
            .. "power off: uhubctl: There were permission problems while accessing USB.\n"
            .. "a udev rule lets you: echo 'SUBSYSTEM==\"usb\","
        assert.equal(wanted, result.stdout:sub(1, #wanted), result.stderr)
        assert.truthy(sys.read_file(dir .. "/calls"):find("-l 1-1.4 -p 2 -a off\n", 1, true))
    end)
end)
