-- SPDX-License-Identifier: Apache-2.0
--
-- Power by GPIO lines of a kernel: the controller is a CP2112, a USB bridge that hid_device.py plays.
local guest = require("tests.guest.guest")
local support = require("tests.support.power")
local sys = require("jflash.sys")

-- Takes line 3 (GPIO_V2_GET_LINE_IOCTL of linux/gpio.h), until it is killed.
local HOLDER = [[
import fcntl, os, signal, struct
request = bytearray(592)
struct.pack_into("<I", request, 0, 3)
request[256:262] = b"heater"
struct.pack_into("<Q", request, 288, 4)
struct.pack_into("<I", request, 560, 1)
fcntl.ioctl(os.open("/dev/gpiochip0", os.O_RDWR), 0xC250B407, request)
open("/tmp/held", "w").close()
signal.pause()
]]

describe("power by GPIO lines of a kernel", function()
    local bridge

    before_each(function()
        bridge = guest.hid_device("cp2112", "CP0001")
        guest.await("the controller", function()
            return sys.stat("/dev/gpiochip0")
        end)
        bridge.said()
    end)

    after_each(function()
        getmetatable(bridge).__close()
        guest.await("the controller's end", function()
            return not sys.stat("/dev/gpiochip0")
        end)
    end)

    local function open(config)
        config.type = "gpio"
        return support.open(config)
    end

    -- The levels that were set: the lines, and those of them that are high.
    local function levels()
        local found = {}
        for _, line in ipairs(bridge.said()) do
            table.insert(found, line:match("^feature 04 (%x%x %x%x)$"))
        end
        return found
    end

    it("switches a line, which stays as it is", function()
        local power = open({ line = 5 })
        power:on()
        assert.same({ "ff 20" }, levels())
        assert.equal("on", power:state())
        power:off()
        assert.same({ "00 20" }, levels())
        assert.equal("off", power:state())
    end)

    it("finds the controller by its label, and switches a line that is active low", function()
        local power = open({ chip = "cp2112_gpio", line = 2, active_low = true })
        power:on()
        assert.same({ "00 04" }, levels())
        assert.equal("on", power:state())
        power:off()
        assert.same({ "ff 04" }, levels())
    end)

    it("names who has a line", function()
        local holder <close> = assert(sys.spawn({ "python3", "-IS", "-c", HOLDER }))
        guest.await("the holder", function()
            return sys.stat("/tmp/held")
        end)
        local failure = support.failure_of(function()
            open({ line = 3 }):on()
        end)
        assert.truthy(failure.message:find("heater", 1, true), failure.message)
        holder:kill("KILL")
        holder:wait()
        open({ line = 3 }):on()
        assert.same({ "ff 08" }, levels())
    end)

    it("names what is not there", function()
        for _, case in ipairs({
            { { line = 8 }, "8" },
            { { line = "RELAY" }, "RELAY" },
            { { chip = "gpiochip7", line = 1 }, "gpiochip7" },
        }) do
            local failure = support.failure_of(function()
                open(case[1]):on()
            end)
            assert.truthy(failure.message:find(case[2], 1, true), failure.message)
        end
        assert.same({}, levels())
    end)
end)
