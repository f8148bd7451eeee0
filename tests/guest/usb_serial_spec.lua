-- SPDX-License-Identifier: Apache-2.0
--
-- A console on a USB serial adapter: how it is named, and what becomes of a run when it is pulled
-- out and plugged in again.
local board_lock = require("jflash.board_lock")
local console = require("jflash.console")
local consoles = require("jflash.dut.console")
local guest = require("tests.guest.guest")
local sys = require("jflash.sys")

local ADAPTER = { port = 2, serial = "JF0001", chardev = "usb" }
local OTHER = { port = 3, serial = "JF0002" }

describe("a USB serial adapter", function()
    local plugged = {}

    local function plug(adapter)
        local name = guest.plug(adapter)
        plugged[adapter.port] = true
        return name
    end

    local function unplug(adapter)
        guest.unplug(adapter.port)
        plugged[adapter.port] = nil
    end

    before_each(function()
        if not plugged[ADAPTER.port] then
            assert.equal("ttyUSB0", plug(ADAPTER))
        end
    end)

    teardown(function()
        for port in pairs(plugged) do
            guest.unplug(port)
        end
    end)

    -- The console of a run, and what closes it.
    local function open(reconnect_s)
        local con = consoles.new({ device = "usb:JF0001", reconnect_s = reconnect_s }, "bench")
        con:open()
        return con, setmetatable({}, { __close = function()
            con:close()
        end })
    end

    it("is found by its serial number, by where it is plugged in, and by its device", function()
        local board <close> = guest.peer("usb")
        for _, name in ipairs({ "usb:JF0001", "usb:JF0001:0", "usb-path:1-1.2", "usb-path:1-1.2:1.0",
            "usb-id:0403:6001", "usb-id:0403:6001:0", "/dev/ttyUSB0", "/dev/ttyUSB*" }) do
            local con <close> = assert(console.open(name))
            assert(con:send("from " .. name .. "\r"))
            assert(board:expect("from " .. name, { timeout_s = 10 }))
            assert(board:send("to " .. name .. "\r\n"))
            assert(con:expect("to " .. name, { timeout_s = 10 }))
        end
    end)

    it("is one board under all its names, and another one's port is another board", function()
        local function take(where)
            return board_lock.take({ name = "bench", console = { device = where }, power = { type = "manual" } },
                { identity = where })
        end
        local lock <close> = take("usb:JF0001")
        for _, name in ipairs({ "/dev/ttyUSB0", "/dev/ttyUSB*", "usb-path:1-1.2" }) do
            local ok, failure = pcall(take, name)
            assert.is_false(ok)
            assert.matches("^the console of board bench, /dev/ttyUSB0, is in use: pid " .. sys.pid(), failure.message)
        end
        unplug(ADAPTER)
        assert.equal("ttyUSB0", plug(OTHER))
        take("usb:JF0002"):close()
        unplug(OTHER)
        assert(lock)
    end)

    it("that is not there makes an error that names those that are", function()
        local con, message, code = console.open("usb:JF0003")
        assert.same({ nil, "io" }, { con, code })
        assert.truthy(message:find("ttyUSB0 (usb:JF0001, usb-path:1-1.2:1.0, usb-id:0403:6001)", 1, true), message)
    end)

    it("is told from another one, and from one of the same number", function()
        plug(OTHER)
        assert(console.open("usb:JF0001")):close()
        local con, message = console.open("/dev/ttyUSB*")
        assert.is_nil(con)
        assert.truthy(message:find("2 terminals fit: /dev/ttyUSB0, /dev/ttyUSB1", 1, true), message)
        unplug(OTHER)
        plug({ port = 3, serial = "JF0001" })
        con, message = console.open("usb:JF0001")
        assert.is_nil(con)
        assert.truthy(message:find("2 terminals fit", 1, true), message)
        assert(console.open("usb-path:1-1.2")):close()
        unplug(OTHER)
    end)

    it("has the settings that it was told", function()
        local _ <close> = assert(console.open("usb:JF0001", { baudrate = 460800, parity = "even", flow = "rtscts" }))
        local settings = guest.settings("/dev/ttyUSB0")
        assert.same({ "460800", true, true }, { settings.speed, settings.parenb, settings.crtscts })
    end)

    it("that is pulled out hangs up", function()
        local con <close> = assert(console.open("usb:JF0001"))
        unplug(ADAPTER)
        local match, _, code = con:expect("=> ", { timeout_s = 10 })
        assert.same({ nil, "closed" }, { match, code })
        local sent
        sent, _, code = con:send("\r")
        assert.same({ nil, "closed" }, { sent, code })
    end)

    it("that is pulled out and plugged in is open again, under another name", function()
        local board <close> = guest.peer("usb")
        local con, _ <close> = open(20)
        unplug(ADAPTER)
        assert.equal("ttyUSB1", plug(ADAPTER))
        con:send("lost\r")
        con:send("version\r")
        board:expect("version", { timeout_s = 10 })
        board:send("U-Boot\r\n=> ")
        con:expect("=> ", { timeout_s = 10 })
        assert.equal(1, con.reopened)
        unplug(ADAPTER)
    end)

    it("may be pulled out and plugged in again in the middle of an expect", function()
        local con, _ <close> = open(20)
        local hand <close> = assert(sys.spawn({ sys.process_exe(sys.pid()), "run", "tests/guest/replug.lua" }))
        con:expect("login: ", { timeout_s = 60 })
        assert.equal(1, con.reopened)
        hand:kill()
        unplug(ADAPTER)
    end)

    it("that stays away ends the run when its time is over", function()
        local con, _ <close> = open(0.5)
        unplug(ADAPTER)
        local ok, failure = pcall(con.expect, con, "=> ", { timeout_s = 20 })
        assert.is_false(ok)
        assert.equal("closed", failure.code)
    end)
end)
