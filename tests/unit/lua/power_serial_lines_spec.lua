-- SPDX-License-Identifier: Apache-2.0
--
-- Power by DTR and RTS: what an RFC 2217 server is told (a stand-in, and ser2net), and that
-- a pty has no such lines.
local config = require("jflash.config")
local duts = require("jflash.dut")
local peers = require("tests.support.console_peer")
local scratches = require("tests.support.scratch")
local ser2net = require("tests.support.ser2net")
local support = require("tests.support.power")
local sys = require("jflash.sys")

local DTR_ON, DTR_OFF, RTS_ON, RTS_OFF = "8", "9", "11", "12"

-- The values of SET-CONTROL for the two lines that a server was told, in order.
local function told(server)
    local values = {}
    for value in server:log():gmatch("\n5 (%d+)") do
        if value == DTR_ON or value == DTR_OFF or value == RTS_ON or value == RTS_OFF then
            table.insert(values, value)
        end
    end
    return table.concat(values, " ")
end

describe("power by the lines of a port of its own", function()
    local function open(keys)
        keys.type = "serial-lines"
        return support.open(keys)
    end

    it("sets the line at the opening, holds the port, and reads it back", function()
        local server <close> = ser2net.stand_in("")
        local power = open({ device = "rfc2217:" .. server.address, line = "dtr" })
        assert.is_nil(power:state())
        power:off()
        assert.equal("off", power:state())
        power:on()
        assert.equal("on", power:state())
        assert.equal(DTR_OFF .. " " .. DTR_ON, told(server))
        assert.equal(1, select(2, server:log():gsub("1 115200\n", "")))
        power:close()
        assert.is_nil(power:state())
    end)

    it("inverts, and drives both lines", function()
        local server <close> = ser2net.stand_in("")
        local power = open({ device = "rfc2217:" .. server.address, line = "both", invert = true })
        power:on()
        assert.equal(DTR_OFF .. " " .. RTS_OFF, told(server))
        assert.equal("on", power:state())
        power:off()
        assert.equal("off", power:state())
        power:close()
    end)

    it("has its own time between off and on, for a reset line", function()
        local server <close> = ser2net.stand_in("")
        local power = open({ device = "rfc2217:" .. server.address, line = "rts", invert = true, pulse_s = "10ms" })
        assert.equal(0.01, power.off_time_s)
        power:cycle(power.off_time_s)
        assert.equal(RTS_ON .. " " .. RTS_OFF, told(server))
        power:close()
    end)

    it("goes by the server's word where it does not tell the lines", function()
        local server <close> = ser2net.stand_in("closed")
        local power = open({ device = "rfc2217:" .. server.address, line = "dtr" })
        power:on()
        assert.is_nil(power:state())
        power:close()
    end)

    it("opens the port again when it hung up", function()
        local server <close> = ser2net.stand_in("hangup=9")
        local power = open({ device = "rfc2217:" .. server.address, line = "dtr" })
        power:on()
        power:off()
        assert.equal("off", power:state())
        assert.equal(2, select(2, server:log():gsub("1 115200\n", "")))
        power:close()
    end)

    it("says that a pty has no such lines, without trying again", function()
        local peer <close> = peers.pty()
        local power = open({ device = peer.where, line = "dtr" })
        local failure = support.failure_of(power.on, power)
        assert.equal("host", failure.class)
        assert.equal(("power on: %s: this terminal has no modem lines"):format(peer.where), failure.message)
        assert.truthy(failure.hint:find("ptys and plain sockets have none", 1, true))
    end)

    it("says that the port is not there", function()
        local power = open({ device = "/dev/serial/by-id/none-*", line = "rts" })
        local failure = support.failure_of(power.on, power)
        assert.truthy(failure.message:find("^power on: .* %(3 tries%)$"), failure.message)
        assert.truthy(failure.hint:find("is it plugged in?", 1, true))
    end)

    it("says who has the port", function()
        local peer <close> = peers.pty()
        local holder <close> = assert(require("jflash.console").open(peer.where))
        local power = open({ device = peer.where, line = "rts" })
        local failure = support.failure_of(power.on, power)
        assert.truthy(failure.message:find("taken by this very process", 1, true), failure.message)
        assert.truthy(holder)
    end)
end)

describe("power by the lines of the console", function()
    local scratch

    before_each(function()
        scratch = scratches.new()
    end)

    after_each(function()
        scratch:close()
    end)

    local function write(device, power, console)
        scratch:write("jflash.yaml", ("boards:\n  bench:\n    console: {device: '%s'%s}\n"
            .. "    power: {type: serial-lines, %s}\n    timeouts: {power_off_wait_s: 0}\n"):format(
            device, console or "", power))
        scratch:sh("chmod 600 jflash.yaml")
        return scratch:file("jflash.yaml")
    end

    local function board(...)
        return config.board("bench", { config = write(...) })
    end

    it("uses the console's one connection, from its opening to the last power off", function()
        local server <close> = ser2net.stand_in("")
        do
            local dut <close> = duts.new(board("rfc2217:" .. server.address, "line: dtr"), {})
            dut:power_cycle()
            assert.equal("on", dut.power:state())
        end
        -- Opened with the board on, then the cycle, then off at the end.
        assert.equal(table.concat({ DTR_ON, DTR_OFF, DTR_ON, DTR_OFF }, " "), told(server))
        assert.equal(1, select(2, server:log():gsub("1 115200\n", "")))
    end)

    it("keeps its state over a console that hangs up and comes back", function()
        local server <close> = ser2net.stand_in("hangup=6") -- at the end of a break
        local dut <close> = duts.new(board("rfc2217:" .. server.address, "line: rts, invert: true"), {})
        dut:power_on()
        assert.is_nil(dut.console.raw:send_break(10))
        pcall(dut.console.expect, dut.console, "never", { timeout_s = 1 })
        assert.equal(1, dut.console.reopened)
        assert.equal("on", dut.power:state())
        -- At the opening, switched on, and opened again.
        assert.equal(table.concat({ RTS_OFF, RTS_OFF, RTS_OFF }, " "), told(server))
    end)

    it("holds each step's line of a sequence", function()
        local server <close> = ser2net.stand_in("")
        local both = config.board("bench", { config = write("rfc2217:" .. server.address, "line: dtr"), set = {
            "power={type: sequence, steps: [{type: serial-lines, line: dtr}, "
            .. "{type: serial-lines, line: rts, invert: true}]}" } })
        local dut <close> = duts.new(both, {})
        dut:power_on()
        assert.equal("on", dut.power:state())
        assert.equal(table.concat({ DTR_ON, RTS_OFF, DTR_ON, RTS_OFF }, " "), told(server))
        dut:power_off()
        assert.equal("off", dut.power:state())
    end)

    it("opens a console again that hangs up when it is switched off", function()
        local server <close> = ser2net.stand_in("hangup=9")
        local dut <close> = duts.new(board("rfc2217:" .. server.address, "line: dtr"), {})
        dut:power_on()
        dut:power_off()
        assert.equal("off", dut.power:state())
        assert.equal(2, select(2, server:log():gsub("1 115200\n", "")))
    end)

    it("is held in reset as long as its key says, not as long as power is cut", function()
        local server <close> = ser2net.stand_in("")
        local path = write("rfc2217:" .. server.address, "line: rts, invert: true, pulse_s: 10ms")
        local text = scratch:read("jflash.yaml"):gsub("power_off_wait_s: 0", "power_off_wait_s: 1h")
        scratch:write("jflash.yaml", text)
        scratch:sh("chmod 600 jflash.yaml")
        local dut <close> = duts.new(config.board("bench", { config = path }), {})
        dut:power_cycle()
        assert.equal(table.concat({ RTS_OFF, RTS_ON, RTS_OFF }, " "), told(server))
    end)

    it("is off and on with `jflash power`, which opens the console for it", function()
        local server <close> = ser2net.stand_in("")
        local path = write("rfc2217:" .. server.address, "line: rts, invert: true", ", baudrate: 9600")
        local function power(action)
            local result = assert(sys.run({ sys.process_exe(sys.pid()), "--config", path, "power", action, "--board",
                "bench" }))
            assert.equal(0, result.status, result.stderr)
            return result.stdout
        end
        power("off")
        assert.equal(RTS_ON, told(server))
        power("on")
        assert.equal(RTS_ON .. " " .. RTS_OFF, told(server))
        assert.equal(2, select(2, server:log():gsub("1 9600\n", "")))
        assert.equal("unknown\n", power("state"))
    end)

    it("goes with what else the console's keys say", function()
        local port = "/dev/ttyS0"
        for _, case in ipairs({
            { port, "line: rts", ", flow: rtscts", "line rts is needed by console.flow: rtscts" },
            { port, "line: both", ", flow: dtrdsr", "line dtr is needed by console.flow: dtrdsr" },
            { port, "line: dtr", ", dtr: off", "line dtr is set by console.dtr: off; leave that key out" },
            { port, "line: dtr, device: /dev/ttyS0", ", dtr: off", "line dtr is set by" },
            { "tcp:127.0.0.1:5", "line: dtr", "", "and tcp:127.0.0.1:5 has no modem lines" },
            { port, "line: dtr, device: ttyS0", "", "'ttyS0' is none of /dev/NAME" },
        }) do
            local failure = support.failure_of(board, case[1], case[2], case[3])
            assert.equal("config", failure.class)
            assert(failure.message:find(case[4], 1, true), failure.message)
            assert(failure.message:find("jflash.yaml:4:", 1, true), failure.message)
        end
        local peer <close> = peers.pty()
        scratch:sh(("ln -s '%s' adapter"):format(peer.where))
        local other = support.failure_of(board, peer.where, ("line: dtr, device: '%s'"):format(scratch:file("ad*")),
            ", dtr: on")
        assert(other.message:find("line dtr is set by console.dtr: on", 1, true), other.message)
        assert.equal("rtscts", board(port, "line: dtr", ", flow: rtscts").console.flow)
        assert.equal("off", board(port, "line: dtr, device: /dev/ttyS1", ", dtr: off").console.dtr)
    end)

    it("goes with them also as a step of a sequence", function()
        local failure = support.failure_of(config.board, "bench", { config = write("/dev/ttyS0",
            "line: dtr"), set = { "power={type: sequence, steps: [{type: serial-lines, line: dtr}]}",
            "console.dtr=on" } })
        assert(failure.message:find("steps[1]: line dtr is set by console.dtr: on", 1, true), failure.message)
    end)
end)
