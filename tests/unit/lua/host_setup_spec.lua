-- SPDX-License-Identifier: Apache-2.0
--
-- docs/host-setup.md and dist/70-jflash.rules name what the power drivers need.
local sys = require("jflash.sys")

local ROOT = arg[0]:match("^(.*)tests/busted%.lua$")
local TEXT = assert(sys.read_file(ROOT .. "docs/host-setup.md"))
local RULES = assert(sys.read_file(ROOT .. "dist/70-jflash.rules"))

local function source(name)
    return assert(sys.read_file(ROOT .. name))
end

describe("the host's setup", function()
    it("names every package that a driver asks for", function()
        local count = 0
        local function expect(text, name)
            -- A message may be broken into two strings of C.
            for package in text:gsub('"\n%s*"', ""):gmatch("apt install ([%w.+-]+)") do
                assert(TEXT:find("apt install [^`]*" .. package:gsub("%p", "%%%0")), name .. ": " .. package)
                count = count + 1
            end
        end
        for _, folder in ipairs({ "lua/jflash/power/", "src/power/" }) do
            for _, name in ipairs(assert(sys.list(ROOT .. folder))) do
                expect(source(folder .. name), name)
            end
        end
        assert.is_true(count >= 6)
    end)

    it("has rules for the HID devices of the drivers", function()
        local devices = {
            ykush = { 0x04d8, { 0xf2f7, 0x0042, 0xf11b, 0xf0cd } },
            usbrelay = { 0x16c0, { 0x05df } },
            noyito_hid = { 5131, { 2007 } },
        }
        for name, device in pairs(devices) do
            local driver = source("lua/jflash/power/" .. name .. ".lua")
            for _, product in ipairs(device[2]) do
                local spelt = name == "noyito_hid" and tostring(product) or ("0x%04x"):format(product)
                assert(driver:find(spelt, 1, true), name .. " has no " .. spelt)
                assert(RULES:find(('ATTRS{idVendor}=="%04x", ATTRS{idProduct}=="%04x", TAG+="uaccess", '
                    .. 'GROUP="plugdev", MODE="0660"\n'):format(device[1], product), 1, true), name)
                assert(TEXT:find(("%04x"):format(product), 1, true), name)
            end
        end
    end)

    it("has the rule for hubs that usb-port's error suggests", function()
        local rule = source("lua/jflash/power/usb_port.lua"):match("HUB_RULE = '([^']*)'")
        assert(RULES:find("\n" .. rule .. "\n", 1, true), rule)
    end)

    it("has the capability that TFTP's error suggests", function()
        local capability = source("lua/jflash/dut/servers.lua"):match('CAPABILITY = "(%g+)"')
        assert(TEXT:find("    sudo setcap " .. capability .. " ", 1, true), capability)
    end)

    it("has the commands of lua/jflash/access.lua", function()
        local access = require("jflash.access")
        for _, command in ipairs({ access.give("/dev/gpiochip0"):match("^[^;]+"),
            access.add_rule(""):match("sudo udevadm control [^\n]+") }) do
            assert(TEXT:find("    " .. command .. "\n", 1, true), command)
        end
    end)

    it("has rules of which each line matches something and does something", function()
        for line in RULES:gmatch("[^\n]+") do
            if not line:find("^#") then
                assert(line:find('^SUBSYSTEM=="%l+", .*GROUP="plugdev", MODE="06%d%d"$')
                    or line:find('^SUBSYSTEM=="usb", DRIVER=="hub", RUN%+="/bin/sh %-c \'[^"\']+\'"$'), line)
            end
        end
    end)
end)
