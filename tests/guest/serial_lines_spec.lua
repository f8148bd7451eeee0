-- SPDX-License-Identifier: Apache-2.0
--
-- Power by DTR and RTS of a 16550: what the hardware drives while the port is held, when it
-- is closed, and when another program opens it.
local config = require("jflash.config")
local console = require("jflash.console")
local duts = require("jflash.dut")
local guest = require("tests.guest.guest")
local powers = require("jflash.power")
local scratches = require("tests.support.scratch")
local ser2net = require("tests.support.ser2net")
local sys = require("jflash.sys")

describe("power by a 16550's lines", function()
    local path = guest.tty()
    local scratch

    before_each(function()
        scratch = scratches.new()
        -- Both lines low, as behind a program that has left.
        guest.sh("stty -F " .. path .. " sane hupcl 9600")
        assert.same({ dtr = false, rts = false }, guest.lines())
    end)

    after_each(function()
        scratch:close()
    end)

    local function open(keys)
        keys.type, keys.device = "serial-lines", keys.device or path
        return powers.open(keys, { name = "bench" })
    end

    local function write(power)
        scratch:write("jflash.yaml", ("boards:\n  bench:\n    console: {device: %s}\n"
            .. "    power: {type: serial-lines, %s}\n    timeouts: {power_off_wait_s: 0}\n"):format(path, power))
        scratch:sh("chmod 600 jflash.yaml")
        return scratch:file("jflash.yaml")
    end

    it("switches one line, reads it back, and leaves it when the port is closed", function()
        local power = open({ line = "dtr" })
        power:off()
        assert.same({ dtr = false, rts = true }, guest.lines())
        assert.equal("off", power:state())
        power:on()
        assert.same({ dtr = true, rts = true }, guest.lines())
        assert.equal("on", power:state())
        power:off()
        power:close()
        assert.is_false(guest.lines().dtr)
        assert.is_false(guest.settings(path).hupcl)
    end)

    it("is switched by `jflash power`, and stays so behind it", function()
        local file = write("line: both, invert: true")
        for _, action in ipairs({ "off", "on" }) do
            local result = assert(sys.run({ sys.process_exe(sys.pid()), "--config", file, "power", action, "--board",
                "bench" }))
            assert.equal(0, result.status, result.stderr)
            local high = action == "off"
            assert.same({ dtr = high, rts = high }, guest.lines(), action)
        end
    end)

    it("shares the console's port during a run, which ends with the power off", function()
        local board <close> = guest.peer("tty")
        do
            local dut <close> = duts.new(config.board("bench", { config = write("line: rts") }), {})
            dut:power_cycle()
            assert.same({ dtr = true, rts = true }, guest.lines())
            assert.equal("on", dut.power:state())
            assert(board:send("U-Boot 2024.01\r\n"))
            assert(dut.console:expect("U-Boot", { timeout_s = 10 }))
            dut:power_off()
            assert.is_false(guest.lines().rts)
            dut:power_on()
        end
        assert.is_false(guest.lines().rts)
    end)

    it("is switched and read back through ser2net, for as long as the connection lasts", function()
        -- It looks addresses up only where there is one besides 127.0.0.1.
        guest.sh("ip address replace 192.0.2.1/32 dev lo")
        local server <close> = ser2net.start("telnet(rfc2217)", path)
        local power = open({ line = "rts", device = "rfc2217:" .. server.address })
        power:off()
        assert.same({ dtr = true, rts = false }, guest.lines())
        assert.equal("off", power:state())
        power:on()
        assert.same({ dtr = true, rts = true }, guest.lines())
        assert.equal("on", power:state())
        local modem = guest.await("the lines that the server reads", function()
            local lines = power.device.own:modem()
            return lines.cts ~= nil and lines
        end)
        assert.same({ dtr = true, rts = true, cts = true, dsr = true, dcd = true, ri = false }, modem)
        power:close()
        guest.await("the port's end", function()
            return not guest.lines().rts and not guest.lines().dtr
        end)
    end)

    it("goes up again when another program opens the port, as the manual says", function()
        local power = open({ line = "dtr" })
        power:off()
        power:close()
        console.open(path):close()
        assert.is_true(guest.lines().dtr)
    end)
end)
