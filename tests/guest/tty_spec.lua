-- SPDX-License-Identifier: Apache-2.0
--
-- A console on a serial port with a driver of the kernel's, a 16550: what libserialport and
-- termios set is looked at by another program, and in the registers.
local console = require("jflash.console")
local guest = require("tests.guest.guest")
local job = require("jflash.job")
local sys = require("jflash.sys")

describe("a 16550's tty", function()
    local path = guest.tty()

    local function open(options)
        return assert(console.open(path, options))
    end

    before_each(function()
        guest.sh("stty -F " .. path .. " sane hupcl 9600")
    end)

    it("carries bytes both ways", function()
        local board <close> = guest.peer("tty")
        local con <close> = open()
        assert(con:send("version\r"))
        assert(board:expect("version", { timeout_s = 10 }))
        assert(board:send("U-Boot 2023.01\r\n=> "))
        assert(con:expect("=> ", { timeout_s = 10 }))
        assert(con:send(("0123456789abcdef"):rep(512) .. "end\r"))
        local match = assert(board:expect("end", { timeout_s = 20 }))
        assert.equal(("0123456789abcdef"):rep(512), (match.before:gsub("^%s+", "")))
    end)

    for _, case in ipairs({
        { "115200 8N1 by default", {}, { speed = "115200", cs8 = true, parenb = false, cstopb = false,
            crtscts = false, ixon = false, ixoff = false } },
        { "1200 baud", { baudrate = 1200 }, { speed = "1200" } },
        { "7 bits, even parity", { bytesize = 7, parity = "even" }, { cs7 = true, parenb = true, parodd = false,
            cmspar = false } },
        { "6 bits, odd parity", { bytesize = 6, parity = "odd" }, { cs6 = true, parenb = true, parodd = true,
            cmspar = false } },
        { "5 bits", { bytesize = 5 }, { cs5 = true } },
        { "mark parity", { parity = "mark" }, { parenb = true, parodd = true, cmspar = true } },
        { "space parity", { parity = "space" }, { parenb = true, parodd = false, cmspar = true } },
        { "2 stop bits", { stopbits = 2 }, { cstopb = true } },
        { "flow control by RTS and CTS", { flow = "rtscts" }, { crtscts = true, ixon = false, ixoff = false } },
        { "flow control by RTS and CTS, key by key", { rts = "flow_control", cts = "flow_control" },
            { crtscts = true, ixon = false, ixoff = false } },
        { "XON and XOFF from the board alone", { xon_xoff = "out" }, { ixon = true, ixoff = false } },
        { "XON and XOFF to the board alone", { xon_xoff = "in" }, { ixon = false, ixoff = true } },
        { "flow control by XON and XOFF", { flow = "xonxoff" }, { crtscts = false, ixon = true, ixoff = true } },
    }) do
        it("is set to " .. case[1], function()
            local _ <close> = open(case[2])
            local settings = guest.settings(path)
            for word, value in pairs(case[3]) do
                assert.equal(value, settings[word], word)
            end
            assert.is_false(settings.icanon or settings.echo or settings.opost or settings.icrnl)
        end)
    end

    it("changes its settings while it is open", function()
        local con <close> = open({ parity = "odd", stopbits = 2 })
        assert(con:set_line({ baudrate = 57600, parity = "none" }))
        local settings = guest.settings(path)
        assert.same({ "57600", false, true }, { settings.speed, settings.parenb, settings.cstopb })
    end)

    it("says that it has no flow control by DTR and DSR", function()
        local con, message, code = console.open(path, { flow = "dtrdsr" })
        assert.same({ nil, "unsupported" }, { con, code })
        assert.truthy(message:find(path:match("[^/]+$"), 1, true), message)
    end)

    it("is as it was before when it is closed", function()
        local before = guest.settings(path)
        open({ baudrate = 19200, parity = "even", flow = "xonxoff", stopbits = 2 }):close()
        assert.same(before, guest.settings(path))
    end)

    it("raises and lowers DTR and RTS, and tells the other side's lines", function()
        local con <close> = open()
        assert.same({ dtr = true, rts = true }, guest.lines())
        assert(con:set_modem({ dtr = false }))
        assert.same({ dtr = false, rts = true }, guest.lines())
        assert(con:set_modem({ dtr = true, rts = false }))
        assert.same({ dtr = true, rts = false }, guest.lines())
        assert.same({ dtr = true, rts = false, cts = true, dsr = true, dcd = true, ri = false }, con:modem())
    end)

    it("has its lines as told when it is opened", function()
        local con <close> = open({ dtr = "off", rts = "off" })
        assert.same({ dtr = false, rts = false }, guest.lines())
        assert(con:set_line({ baudrate = 19200 }))
        assert.same({ dtr = false, rts = false }, guest.lines())
    end)

    it("lowers both when it is closed", function()
        open():close()
        assert.same({ dtr = false, rts = false }, guest.lines())
        assert.is_true(guest.settings(path).hupcl)
    end)

    it("leaves both up when it is closed without hang-up, also behind the next one", function()
        open({ hupcl = false }):close()
        assert.same({ dtr = true, rts = true }, guest.lines())
        assert.is_false(guest.settings(path).hupcl)
        assert.same({ dtr = true, rts = true }, guest.lines())
    end)

    it("holds its line in a break as long as told", function()
        local con <close> = open()
        local watcher <close> = guest.watch_break()
        assert(con:send_break(300))
        local held_s = watcher:held_s()
        assert.is_true(held_s > 0.2 and held_s < 5, held_s)
    end)

    it("is refused to a second console, and to other users' programs", function()
        local con <close> = open()
        local other, message, code = console.open(path)
        assert.same({ nil, "io" }, { other, code })
        assert.truthy(message:find("taken by this very process", 1, true), message)
        guest.sh("chmod 666 " .. path)
        local stranger = assert(sys.run({ "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
            "stty", "-F", path }))
        assert.truthy(stranger.stderr:find("busy", 1, true), stranger.stderr)
        con:close()
        open():close()
    end)

    it("has a lock file for programs that look at those, and heeds theirs", function()
        local lock = "/run/lock/LCK.." .. path:match("[^/]+$")
        local con = open()
        assert.equal(("%10d\n"):format(sys.pid()), sys.read_file(lock))
        con:close()
        assert.is_nil(sys.stat(lock))
        local other <close> = assert(sys.spawn({ "sleep", "60" }))
        guest.await("the other program, which is a jflash until then", function()
            return guest.read(("/proc/%d/comm"):format(other:pid())) == "sleep"
        end)
        assert(sys.write_file(lock, ("%10d\n"):format(other:pid())))
        local refused, message, code = console.open(path)
        assert.same({ nil, "io" }, { refused, code })
        assert.truthy(message:find("taken by sleep (pid " .. other:pid(), 1, true), message)
        other:kill("KILL")
        other:wait()
        open():close()
        assert.is_nil(sys.stat(lock))
    end)

    it("stops at XOFF, and goes on at XON", function()
        local board <close> = guest.peer("tty")
        local con <close> = open({ flow = "xonxoff" })
        assert(board:send("\x13busy"))
        assert(con:expect("busy", { timeout_s = 10 }))
        assert(con:send("held\r"))
        assert.is_nil(board:expect("held", { timeout_s = 0.3 }))
        assert(board:send("\x11"))
        assert(board:expect("held", { timeout_s = 10 }))
    end)

    it("is closed in time while XOFF holds it", function()
        local board <close> = guest.peer("tty")
        local con <close> = open({ flow = "xonxoff" })
        assert(board:send("\x13busy"))
        assert(con:expect("busy", { timeout_s = 10 }))
        assert(con:send("lost\r"))
        local start = job.now()
        con:close()
        assert.is_true(job.now() - start < 5)
        local again <close> = open()
        assert(again:send("heard\r"))
        assert(board:expect("heard", { timeout_s = 10 }))
    end)
end)
