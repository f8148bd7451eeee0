-- SPDX-License-Identifier: Apache-2.0
--
-- Power by HID devices: what is sent to hidapi, with a fake of that library
-- (tests/support/fake_hidapi.c).
local hid = require("jflash.hid")
local scratches = require("tests.support.scratch")
local support = require("tests.support.power")
local sys = require("jflash.sys")

describe("power by HID", function()
    local scratch

    setup(function()
        scratch = scratches.new()
        support.build_fake(scratch, "libhidapi-hidraw.so.0", "fake_hidapi.c")
        scratch:sh("cp libhidapi-hidraw.so.0 libhidapi-libusb.so.0")
    end)

    teardown(function()
        scratch:close()
    end)

    before_each(function()
        scratch:sh("rm -rf hid && mkdir hid && touch hidraw-ABCDE hidraw-FGHIJ && chmod 666 hidraw-*")
    end)

    -- The devices that are plugged in.
    local function plug(...)
        local lines = {}
        for index, device in ipairs({ ... }) do
            lines[index] = scratch:file(device)
        end
        scratch:write("hid/devices", table.concat(lines, "\n") .. "\n")
    end

    local function use(config, steps)
        return support.use(scratch, config, steps, { env = { FAKE_HID = scratch:file("hid") } })
    end

    local function log()
        return scratch:read("hid/log")
    end

    local YKUSH = "hidraw-ABCDE 04d8 f2f7 YK1 YKUSH"

    it("sends a YKUSH hub its commands, and asks for the port", function()
        plug(YKUSH)
        assert.equal("on\t\nstate\ton\noff\t\nstate\toff\n", use("{type='ykush', port=2}", "on state off state"))
        assert.truthy(log():find("^write 00 12 00 00 00 00\nwrite 00 22 00"), log())
        assert.truthy(log():find("write 00 02 00 00 00 00\n", 1, true))
    end)

    it("switches all of a hub's ports, and says when they differ", function()
        plug("hidraw-ABCDE 04d8 f11b YK3 YKUSH3")
        assert.equal("on\t\nstate\ton\n", use("{type='ykush', port='all'}", "on state"))
        assert.truthy(log():find("^write 00 1a 00"), log())
        use("{type='ykush', port=3}", "off")
        assert.equal("state\tmixed\n", use("{type='ykush', port='all'}", "state"))
    end)

    it("chooses among several by serial, and names them when it cannot", function()
        plug(YKUSH, "hidraw-FGHIJ 04d8 f2f7 YK2 YKUSH")
        local said = use("{type='ykush'}", "on")
        assert.truthy(said:find("^host\tpower on: there are 2: serial YK2, serial YK1\n"), said)
        assert.equal("on\t\n", use("{type='ykush', serial='YK2'}", "on"))
        said = use("{type='ykush', serial='YK9'}", "on")
        assert.truthy(said:find("there is no YKUSH hub with serial YK9; there is serial YK", 1, true), said)
        plug()
        assert.truthy(use("{type='ykush'}", "on"):find("there is no YKUSH hub at this host\n", 1, true))
    end)

    it("needs the library past the kernel's driver for a YKUSH alone", function()
        scratch:sh("mv libhidapi-libusb.so.0 kept && touch libhidapi-libusb.so.0")
        plug("hidraw-ABCDE 04d8 f11b YK3 YKUSH3")
        local said = use("{type='ykush'}", "on")
        plug(YKUSH)
        local refused = use("{type='ykush'}", "on")
        scratch:sh("mv kept libhidapi-libusb.so.0")
        assert.equal("on\t\n", said)
        assert.truthy(refused:find("libhidapi%-libusb%.so%.0, which is not installed: apt install libhidapi%-libusb0"),
            refused)
    end)

    it("does not believe a hub whose port stays on", function()
        plug(YKUSH)
        use("{type='ykush'}", "on")
        scratch:write("hid/stuck", "")
        assert.truthy(use("{type='ykush'}", "off"):find(
            "^host\tpower off: it was switched off, and says that it is on %(3 tries%)"))
    end)

    it("switches a USBRelay card by feature reports, told apart by its own number", function()
        plug("hidraw-ABCDE 16c0 05df - USBRelay2", "hidraw-FGHIJ 16c0 05df - USBRelay2")
        assert.equal("on\t\nstate\ton\noff\t\nstate\toff\n",
            use("{type='usbrelay', serial='FGHIJ', channel=2}", "on state off state"))
        assert.equal("feature 00 ff 02 00 00 00 00 00 00\nfeature 00 fd 02 00 00 00 00 00 00\n", log())
        local said = use("{type='usbrelay'}", "on")
        assert.truthy(said:find("there are 2: serial FGHIJ, serial ABCDE", 1, true), said)
        said = use("{type='usbrelay', serial='ABCDE', channel=3}", "on")
        assert.truthy(said:find("it has 2 relays, and channel 3 was asked for", 1, true), said)
        assert.equal("on\t\nstate\ton\noff\t\nstate\toff\n",
            use("{type='usbrelay', serial='ABCDE', all_channels=true}", "on state off state"))
        plug("hidraw-ABCDE 16c0 05df - Clock")
        assert.truthy(use("{type='usbrelay'}", "on"):find("there is no USBRelay card at this host", 1, true))
        assert.truthy(log():find("feature 00 fe 00", 1, true) and log():find("feature 00 fc 00", 1, true))
    end)

    it("sends a Noyito card its frames", function()
        plug("hidraw-ABCDE 140b 07d7 - Noyito")
        assert.equal("on\t\nstate\ton\noff\t\nstate\toff\n",
            use("{type='noyito-hid', channel=4}", "on state off state"))
        assert.truthy(log():find("write 00 a0 04 01 a5\n", 1, true) and log():find("write 00 a0 04 00 a4\n", 1, true))
        scratch:write("hid/mute", "")
        assert.equal("on\t\nstate\t\n", use("{type='noyito-hid', all_channels=true}", "on state"))
        plug()
        assert.truthy(use("{type='noyito-hid'}", "on"):find("power.vendor_id=0x5131", 1, true))
        plug("hidraw-ABCDE 140b 07d7 - Noyito")
        assert.truthy(use("{type='noyito-hid', channel=5}", "on"):find("the card has 4 channels", 1, true))
    end)

    it("says which rule lets one open a device", function()
        plug("hidraw-ABCDE 04d8 f11b YK3 YKUSH3")
        scratch:sh("chmod 000 hidraw-ABCDE")
        local user = sys.uid() == 0 and { "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups" } or {}
        scratch:sh("chmod -R a+rX . && chmod 777 hid && chmod 000 hidraw-ABCDE")
        local said = support.use(scratch, "{type='ykush'}", "on", { before = user,
            env = { HOME = "/nonexistent", FAKE_HID = scratch:file("hid") } })
        assert.truthy(said:find("hidraw%-ABCDE: Permission denied\nhint\ta udev rule lets you"), said)
        assert.truthy(said:find('SUBSYSTEM=="hidraw", ATTRS{idVendor}=="04d8", ATTRS{idProduct}=="f11b"', 1, true))
    end)

    it("lists nothing where nothing is plugged in, with the real library", function()
        local devices = assert(hid.list(0x04d8, 0xf2f7))
        assert.same({}, devices)
        local device, message = hid.open("/dev/no-such-hidraw")
        assert.is_nil(device)
        assert.truthy(message:find("/dev/no-such-hidraw: No such file", 1, true), message)
    end)
end)
