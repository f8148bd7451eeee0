-- SPDX-License-Identifier: Apache-2.0
--
-- Power by relay cards behind serial ports: a pty with a fake of such a card
-- (tests/support/fake_relay_card.py).
local job = require("jflash.job")
local scratches = require("tests.support.scratch")
local ser2net = require("tests.support.ser2net")
local support = require("tests.support.power")
local sys = require("jflash.sys")

local CARD = arg[0]:match("^(.*)tests/busted%.lua$") .. "tests/support/fake_relay_card.py"

describe("power by a relay card", function()
    local scratch, card, tty

    local function eventually(is_so)
        local deadline = job.now() + 20
        while not is_so() do
            assert(job.now() < deadline, scratch:read("log"))
            job.sleep(0.01)
        end
    end

    before_each(function()
        scratch = scratches.new()
        tty = scratch:file("tty")
        -- The card lives as long as its port is there, whoever opens and closes that.
        card = assert(sys.spawn({ "socat", "-b", "256", "PTY,rawer,link=" .. tty,
            ("EXEC:python3 %s %s"):format(CARD, scratch.path) },
            { stdout = scratch:file("log"), stderr = scratch:file("log") }))
        eventually(function()
            return sys.stat(tty) and sys.stat(scratch:file("relays"))
        end)
    end)

    after_each(function()
        card:close()
        scratch:close()
    end)

    local function open(config)
        config.device = config.device or tty
        return support.open(config)
    end

    local function relays(wanted)
        eventually(function()
            return scratch:read("relays") == wanted
        end)
    end

    local WORDS = {
        type = "serial-relay", on = "relay 2 on\\r\\n", off = "relay 2 off\\r\\n", query = "read 2\\r\\n",
        state_on = "relay 2 is on", state_off = "relay 2 is off", answer = "ok",
    }

    local function words(more)
        local all = {}
        for _, some in ipairs({ WORDS, more or {} }) do
            for key, value in pairs(some) do
                all[key] = value
            end
        end
        return all
    end

    it("switches one channel of a Noyito card, and asks for it", function()
        local power = open({ type = "noyito-serial", channel = 2 })
        power:on()
        relays("01")
        assert.equal("on", power:state())
        power:off()
        relays("00")
        assert.equal("off", power:state())
    end)

    it("switches all channels of it", function()
        local both = open({ type = "noyito-serial", all_channels = true })
        both:on()
        relays("11")
        open({ type = "noyito-serial", channel = 1 }):off()
        assert.equal("mixed", both:state())
        both:off()
        relays("00")
    end)

    it("does not believe a relay that sticks", function()
        local power = open({ type = "noyito-serial" })
        scratch:write("stuck", "")
        assert.equal("power on: it was switched on, and says that it is off (3 tries)",
            support.failure_of(power.on, power).message)
    end)

    it("says that the card does not answer", function()
        local power = open({ type = "noyito-serial", timeout_s = 0.05 })
        scratch:write("mute", "")
        local failure = support.failure_of(power.on, power)
        assert.equal("timeout", failure.code)
        assert.truthy(failure.message:find("power state: relay at " .. tty .. ": ", 1, true), failure.message)
    end)

    it("sends the bytes and words that the configuration says", function()
        local power = open(words())
        power:on()
        relays("01")
        assert.equal("on", power:state())
        power:off()
        assert.equal("off", power:state())
        power = open({ type = "serial-relay", on = "\\xa0\\x01\\x01\\xa2", off = "\\xA0\\x01\\0\\xA1" })
        assert.is_nil(power:state())
        power:on()
        relays("10")
        power:off()
        relays("00")
    end)

    it("finds the card's port as consoles find theirs, or goes through a server", function()
        open({ type = "noyito-serial", device = scratch:file("tt[y]") }):on()
        relays("10")
        local failure = support.failure_of(function()
            open({ type = "noyito-serial", device = "usb:no-such-card" }):on()
        end)
        assert.truthy(failure.message:find("no terminal fits; those behind USB: ", 1, true), failure.message)
        local server <close> = ser2net.start("telnet(rfc2217)", tty)
        open({ type = "serial-relay", device = "rfc2217:" .. server.address, on = "relay 2 on\\r\\n", off = "x" }):on()
        relays("11")
    end)

    it("waits for a card's answer where there is one", function()
        local power = open(words({ answer = "done", timeout_s = 0.05 }))
        local failure = support.failure_of(power.off, power)
        assert.equal("timeout", failure.code)
        assert.truthy(failure.message:find("(3 tries)", 1, true))
    end)

    it("says that the port is not there, or in use", function()
        local failure = support.failure_of(function()
            open({ type = "noyito-serial", device = tty .. "9" }):on()
        end)
        assert.truthy(failure.message:find("No such file or directory (3 tries)", 1, true), failure.message)
        local holder <close> = assert(require("jflash.console").open(tty))
        failure = support.failure_of(function()
            open(words()):off()
        end)
        assert.truthy(failure.message:find("taken by this very process", 1, true), failure.message)
        assert(holder)
    end)

    it("refuses a configuration that cannot do", function()
        for _, case in ipairs({
            { words({ device = "ttyUSB0" }), "is none of /dev/NAME, usb:SERIAL" },
            { words({ on = "\xa0" }), "bytes from 0x80 on are written as '\\xA0'" },
            { words({ on = "\\xa" }), "escapes are" },
            { words({ on = "\\q" }), "escapes are" },
            { words({ on = "a\\" }), "escapes are" },
            { { type = "serial-relay", on = "a", off = "b", query = "c" }, "belong together" },
            { { type = "noyito-serial", channel = 3 }, "the card has 2 channels" },
        }) do
            local failure = support.failure_of(open, case[1])
            assert.equal("config", failure.class)
            assert(failure.message:find(case[2], 1, true), failure.message)
        end
    end)
end)
