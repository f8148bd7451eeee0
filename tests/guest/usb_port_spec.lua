-- SPDX-License-Identifier: Apache-2.0
--
-- Power by a port of a USB hub: what is plugged in there vanishes and comes back.
local guest = require("tests.guest.guest")
local support = require("tests.support.power")
local sys = require("jflash.sys")

local PORT = 2

describe("power by a real USB hub's port", function()
    local function open(config)
        config.type = "usb-port"
        return support.open(config)
    end

    for _, method in ipairs({ "sysfs", "uhubctl" }) do
        it("takes what is plugged in there away, and brings it back, by " .. method, function()
            local name = guest.plug({ port = PORT, serial = "JF0001" })
            local power = open({ hub = "1-1", port = PORT, method = method })
            power:off()
            guest.await("the adapter to vanish", function()
                return not sys.stat("/dev/" .. name)
            end)
            power:on()
            guest.usb_tty(PORT)
            guest.unplug(PORT)
        end)
    end

    it("uses the kernel's attribute by itself, where there is one", function()
        local power = open({ hub = "1-1", port = PORT })
        power:off()
        assert.equal("off", power:state())
        assert.equal("1", guest.read(("/sys/bus/usb/devices/1-1:1.0/1-1-port%d/disable"):format(PORT)))
        power:cycle(0)
        assert.equal("on", power:state())
    end)

    it("names the hub that is not there, and says of a port that the hub does not have it", function()
        for _, case in ipairs({
            { { hub = "1-4", port = 1, method = "sysfs" }, "there is no USB hub 1-4" },
            { { hub = "1-1", port = 9, method = "sysfs" }, "1-1-port9/disable" },
        }) do
            local failure = support.failure_of(function()
                open(case[1]):off()
            end)
            assert.truthy(failure.message:find(case[2], 1, true), failure.message)
        end
    end)
end)
