-- SPDX-License-Identifier: Apache-2.0
--
-- Power by GPIO: what is asked of libgpiod, with a fake of that library
-- (tests/support/fake_gpiod.c).
local gpio = require("jflash.gpio")
local powers = require("jflash.power")
local scratches = require("tests.support.scratch")
local support = require("tests.support.power")

describe("power by GPIO", function()
    local scratch

    setup(function()
        scratch = scratches.new()
        support.build_fake(scratch, "libgpiod.so.2", "fake_gpiod.c")
    end)

    teardown(function()
        scratch:close()
    end)

    before_each(function()
        scratch:sh("rm -rf gpio && mkdir gpio")
    end)

    local function use(config, steps)
        return support.use(scratch, config, steps, { env = { FAKE_GPIO = scratch:file("gpio") } })
    end

    it("sets a line as output, and reads it as it is", function()
        assert.equal("on\t\noff\t\n", use("{type='gpio', line=5}", "on off"))
        assert.equal("jflash line 5 output flags 0 value 1\njflash line 5 as-is flags 0 value 0\n"
            .. "jflash line 5 output flags 0 value 0\njflash line 5 as-is flags 0 value 0\n", scratch:read("gpio/log"))
        assert.equal("0\n", scratch:read("gpio/value"))
    end)

    it("finds the controller by label and the line by name, active low", function()
        assert.equal("on\t\nstate\ton\n",
            use("{type='gpio', chip='bench', line='RELAY', active_low=true}", "on state"))
        assert.equal("0\n", scratch:read("gpio/value"))
        assert.equal("off\t\nstate\toff\n", use("{type='gpio', line='RELAY', active_low=true}", "off state"))
        assert.equal("1\n", scratch:read("gpio/value"))
    end)

    it("asks for drive and bias with the direction alone", function()
        use("{type='gpio', line=5, drive='open_drain', bias='pull_up'}", "on")
        assert.equal("jflash line 5 output flags 33 value 1\njflash line 5 as-is flags 0 value 0\n",
            scratch:read("gpio/log"))
        use("{type='gpio', line=5, drive='open_source', bias='pull_down'}", "on")
        use("{type='gpio', line=5, bias='disabled'}", "on")
        local log = scratch:read("gpio/log")
        assert.truthy(log:find("output flags 18 ", 1, true) and log:find("output flags 8 ", 1, true), log)
    end)

    it("does not believe a line whose level stays", function()
        scratch:write("gpio/stuck", "yes")
        assert.truthy(use("{type='gpio', line=5}", "on"):find(
            "^host\tpower on: it was switched on, and says that it is off %(3 tries%)"))
    end)

    it("names who has the line", function()
        scratch:write("gpio/consumer", "heartbeat")
        local said = use("{type='gpio', line=5}", "on")
        assert.truthy(said:find("power on: line 5 of gpiochip0 is in use by heartbeat: Device or resource busy", 1,
            true), said)
        assert.truthy(said:find("hint\tgpioinfo gpiochip0 shows who", 1, true), said)
    end)

    it("says what lets one open the controller", function()
        scratch:write("gpio/errno", "13")
        local said = use("{type='gpio', line=5}", "on")
        assert.truthy(said:find("power on: gpiochip0: Permission denied\nhint\tsudo chgrp plugdev /dev/gpiochip0 && ",
            1, true), said)
    end)

    it("says what is not there", function()
        local said = use("{type='gpio', line=8}", "on")
        assert.truthy(said:find("power on: gpiochip0 has no line 8: it has 8\nhint\tgpioinfo gpiochip0", 1, true), said)
        said = use("{type='gpio', line='FAN'}", "on")
        assert.truthy(said:find("gpiochip0 has no line named FAN\nhint\tgpioinfo gpiochip0", 1, true), said)
        said = use("{type='gpio', chip='gpiochip7', line=5}", "on")
        assert.truthy(said:find("gpiochip7: No such file or directory\nhint\tgpiodetect", 1, true), said)
    end)

    it("tells lines apart for the lock", function()
        local function identity(chip, line)
            return powers.open({ type = "gpio", chip = chip, line = line }, { name = "bench" }).identity
        end
        assert.equal("gpio /dev/gpiochip0 5", identity("/dev/gpiochip0", "5"))
        scratch:sh("ln -s /dev/null relay-board")
        assert.equal("gpio /dev/null 5", identity(scratch:file("relay-board"), "5"))
        assert.equal("gpio bench 5", identity("bench", "5"))
        for _, name in ipairs({ "gpiochip0", "0" }) do
            assert.equal(identity("/dev/gpiochip0", "5"), identity(name, "5"))
        end
        assert.not_equal(identity("gpiochip0", "5"), identity("gpiochip0", "6"))
    end)

    it("fails with the real library where there is no controller", function()
        local ok, message, code, errno = gpio.set("/dev/no-such-chip", "1", true)
        assert.is_nil(ok)
        assert.equal("/dev/no-such-chip: No such file or directory", message)
        assert.equal("io", code)
        assert.equal("ENOENT", errno)
    end)
end)
