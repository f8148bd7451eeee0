-- SPDX-License-Identifier: Apache-2.0
--
-- Consoles behind telnet and RFC 2217, with a real ser2net; and those of a command.
local console = require("jflash.console")
local job = require("jflash.job")
local peers = require("tests.support.console_peer")
local ser2net = require("tests.support.ser2net")
local sys = require("jflash.sys")

-- All bytes but the ones that the console takes out of what it receives.
local EVERY = {}
for byte = 32, 255 do
    EVERY[#EVERY + 1] = string.char(byte)
end
EVERY = table.concat(EVERY) .. "\r\r\n\0\255\255."

local function hex(text)
    return (text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

-- The bytes that arrive at the other end of a console, by its transcript.
local function sent_and_received(con, board)
    local path = os.tmpname()
    assert(board:transcript(path))
    assert(con:send(EVERY .. "end\n"))
    assert(board:expect("end", { timeout_s = 20 }))
    assert(board:transcript(nil))
    local text = peers.content(path)
    os.remove(path)
    return text
end

local function settings(peer)
    return peers.output("stty -a -F " .. peer.where)
end

describe("rfc2217:", function()
    it("carries every byte both ways", function()
        local peer <close> = peers.pty()
        local server <close> = ser2net.start("telnet(rfc2217)", peer.where)
        local con <close> = assert(console.open("rfc2217:" .. server.address))
        local direct <close> = peers.pty()
        local plain <close> = assert(console.open(direct.where))
        local function bytes(text)
            return (text:gsub("^#[^\n]*\n", ""):gsub("\n? *%d+%.%d%d%d%d%d%d < ", ""))
        end
        assert.equal(bytes(sent_and_received(plain, direct.board)), bytes(sent_and_received(con, peer.board)))
        assert(peer.board:send("a\255\255b\r\n=> "))
        assert.equal("a\255\255b\n", con:expect("=> ", { timeout_s = 20 }).before)
    end)

    it("sets the line up, each time it is opened", function()
        local peer <close> = peers.pty()
        local server <close> = ser2net.start("telnet(rfc2217)", peer.where)
        do
            local _ <close> = assert(console.open("rfc2217://" .. server.address, { baudrate = 57600 }))
            assert.is_truthy(settings(peer):find("speed 57600 baud", 1, true))
            assert.is_truthy(settings(peer):find("cs8", 1, true))
        end
        local options = { baudrate = 9600, bytesize = 7, parity = "even", stopbits = 2, flow = "xonxoff" }
        local con <close> = peers.await("the port is free again", function()
            return console.open("rfc2217:" .. server.address, options)
        end)
        local text = settings(peer)
        for _, word in ipairs({ "speed 9600 baud", "[^-]cstopb", "[^-]ixon", "[^-]ixoff" }) do
            assert.is_truthy(text:find(word), word .. "\n" .. text)
        end
        assert(con:send("x"))
    end)

    it("sends a break", function()
        local peer <close> = peers.pty()
        local server <close> = ser2net.start("telnet(rfc2217)", peer.where)
        local con <close> = assert(console.open("rfc2217:" .. server.address))
        assert(con:send_break(20))
        local stand_in <close> = ser2net.stand_in("")
        local other <close> = assert(console.open("rfc2217:" .. stand_in.address))
        assert(other:send_break(20))
        assert.equal("1 115200\n2 8\n3 1\n4 1\n5 1\n5 5\n5 6\n", stand_in:log())
    end)

    it("does not wait for an answer when the run is cancelled, and ends its break", function()
        finally(job.reset)
        local server <close> = ser2net.stand_in("mute=5")
        local con <close> = assert(console.open("rfc2217:" .. server.address))
        local started = job.now()
        job.cancel(2)
        local ok, message, code = con:send_break(20)
        job.reset()
        assert.same({ nil, "cancelled" }, { ok, code }, message)
        assert.is_true(job.now() - started < 2)
        peers.await("the break's end", function() return server:log():find("5 5\n5 6\n", 1, true) end)
    end)

    it("drives and tells the modem lines, and changes the open line", function()
        local server <close> = ser2net.stand_in("modem=176")
        local con <close> = assert(console.open("rfc2217:" .. server.address, { dtr = "off" }))
        assert.same({ dtr = false, rts = true }, con:modem())
        assert(con:set_modem({ dtr = true, rts = false }))
        assert.same({ dtr = true, rts = false }, con:modem())
        assert(con:set_modem({ rts = true }))
        assert(con:set_line({ baudrate = 57600, parity = "odd" }))
        assert.same({ dtr = true, rts = true, cts = true, dsr = true, dcd = true, ri = false }, con:modem())
        assert.equal("1 115200\n2 8\n3 1\n4 1\n5 1\n5 9\n5 7\n5 10\n5 8\n5 12\n5 7\n5 10\n5 11\n"
            .. "1 57600\n2 8\n3 2\n4 1\n5 1\n5 7\n5 10\n", server:log())
    end)

    it("says that a server does not tell the modem lines, and asks it once only", function()
        local server <close> = ser2net.stand_in("closed")
        local con <close> = assert(console.open("rfc2217:" .. server.address))
        for _ = 1, 2 do
            local lines, message, code = con:modem()
            assert.same({ nil, "unsupported" }, { lines, code }, message)
        end
        assert.equal("1 115200\n2 8\n3 1\n4 1\n5 1\n5 7\n", server:log())
    end)

    it("does without answers to SET-CONTROL where it is told to", function()
        local server <close> = ser2net.stand_in("silent=5")
        local con <close> = assert(console.open("rfc2217://" .. server.address .. "?ign_set_control"))
        assert(con:set_modem({ rts = false }))
        local lines, _, code = con:modem()
        assert.same({ nil, "unsupported" }, { lines, code })
        assert(con:set_line({ baudrate = 57600 }))
        assert.equal("1 115200\n2 8\n3 1\n4 1\n5 1\n5 12\n1 57600\n2 8\n3 1\n4 1\n5 1\n", peers.await("the last",
            function() return server:log():find("1 57600.*5 1\n$") and server:log() end))
        local none, message = console.open("rfc2217:" .. server.address .. "?ign")
        assert.is_nil(none)
        assert.is_truthy(message:find("the only option behind ? is ign_set_control", 1, true), message)
    end)

    it("sets flow control for each direction", function()
        local server <close> = ser2net.stand_in("")
        local con <close> = assert(console.open("rfc2217:" .. server.address, { cts = "flow_control" }))
        assert(con:set_line({ flow = "xonxoff" }))
        assert(con:set_line({ xon_xoff = "in", cts = "flow_control" }))
        local ok, message, code = con:set_line({ dsr = "flow_control" })
        assert.same({ nil, "unsupported" }, { ok, code })
        assert.is_truthy(message:find("RFC 2217 has one kind of flow control per direction", 1, true), message)
        local controls = {}
        for value in server:log():gmatch("5 (%d+)\n") do
            table.insert(controls, value)
        end
        assert.equal("3 14 2 3 15", table.concat(controls, " "))
    end)

    local REFUSED = {
        { "rate=9600", "protocol", "asked for baud rate 115200, the server answers baud rate 9600" },
        { "silent=3", "timeout", "parity none: timeout, the server does not answer" },
        { "refuse", "unsupported", "telnet(rfc2217),tcp,PORT" },
    }
    for _, row in ipairs(REFUSED) do
        it("is not opened by a server with " .. row[1], function()
            local server <close> = ser2net.stand_in(row[1])
            local con, message, code = console.open("rfc2217:" .. server.address, { timeout_s = 1 })
            assert.is_nil(con)
            assert.equal(row[2], code)
            assert.is_truthy(message:find(row[3], 1, true), message)
        end)
    end

    it("is not opened by ser2net without it", function()
        local peer <close> = peers.pty()
        local server <close> = ser2net.start("telnet", peer.where)
        local con, message, code = console.open("rfc2217:" .. server.address, { timeout_s = 5 })
        assert.same({ nil, "unsupported" }, { con, code })
        assert.is_truthy(message:find("telnet without RFC 2217", 1, true), message)
    end)

    it("is not opened by a raw port", function()
        local peer <close> = peers.pty()
        local server <close> = ser2net.start("raw", peer.where)
        local con, message = console.open("rfc2217:" .. server.address, { timeout_s = 0.3 })
        assert.is_nil(con)
        assert.is_truthy(message:find("is it a raw port", 1, true), message)
    end)

    it("sends nothing while the server has suspended it", function()
        local server <close> = ser2net.stand_in("suspend")
        local con <close> = assert(console.open("rfc2217:" .. server.address))
        local sent, message, code = con:send("held", { timeout_s = 0.3 })
        assert.same({ nil, "timeout" }, { sent, code }, message)
        assert(con:send_break(10)) -- which the stand-in takes for a reason to resume
        assert(con:send("z"))
        peers.await("the data", function() return server:log():find("data 7a", 1, true) end)
        assert.is_nil(server:log():find("data 68", 1, true))
    end)

    it("has the server forget what it holds when what came is discarded", function()
        local server <close> = ser2net.stand_in("late")
        local con <close> = assert(console.open("rfc2217:" .. server.address))
        con:discard()
        assert.is_truthy(server:log():find("\n12 1\n$"))
        assert.same({ #"late", "" }, { con:stats().received_bytes, con:pending() })
        local peer <close> = peers.pty()
        local real <close> = ser2net.start("telnet(rfc2217)", peer.where)
        local other <close> = assert(console.open("rfc2217:" .. real.address))
        assert(peer.board:send("before"))
        peers.await("what the board says", function() return other:pending() == "before" end)
        local started = job.now()
        other:discard()
        assert.is_true(job.now() - started < 1)
        assert(other:send("typed\n"))
        assert(peer.board:expect("typed", { timeout_s = 20 }))
        assert(peer.board:send("behind\r\n"))
        assert.equal("", other:expect("behind\n", { timeout_s = 20 }).before)
    end)

    it("asks a server that does not know of that once only, and does not when it is cancelled", function()
        finally(job.reset)
        local server <close> = ser2net.stand_in("silent=12")
        local con <close> = assert(console.open("rfc2217:" .. server.address))
        job.cancel(2)
        con:discard()
        job.reset()
        for _ = 1, 2 do
            con:discard()
        end
        local _, count = server:log():gsub("12 1\n", "%0")
        assert.is_true(count == 2, server:log())
    end)

    it("hangs up when the server is killed, and can be opened again", function()
        local peer <close> = peers.pty()
        local server <close> = ser2net.start("telnet(rfc2217)", peer.where)
        local con <close> = assert(console.open("rfc2217:" .. server.address))
        server:kill()
        local match, _, code = con:expect("x", { timeout_s = 20 })
        assert.same({ nil, "closed" }, { match, code })
        server:run()
        local again <close> = assert(console.open("rfc2217:" .. server.address))
        assert(again:send("back\n"))
        assert(peer.board:expect("back", { timeout_s = 20 }))
    end)
end)

describe("telnet:", function()
    it("carries every byte both ways", function()
        local peer <close> = peers.pty()
        local server <close> = ser2net.start("telnet", peer.where)
        local con <close> = assert(console.open("telnet:" .. server.address))
        assert(con:send("\255\0\r\r\n\254end\n"))
        assert.equal(hex("\255"), hex(peer.board:expect("end", { timeout_s = 20 }).before:sub(1, 1)))
        assert(peer.board:send("a\255b\r\n=> "))
        assert.equal("a\255b\n", con:expect("=> ", { timeout_s = 20 }).before)
        local ok, message, code = con:send_break(10)
        assert.same({ nil, "unsupported" }, { ok, code }, message)
    end)
end)

describe("exec:", function()
    it("runs a command on a terminal of its own", function()
        local con <close> = assert(console.open("exec:test -t 0 && echo terminal; exec cat"))
        assert(con:expect("terminal", { timeout_s = 20 }))
        assert(con:send("\3 typed\r"))
        assert(con:expect("typed", { timeout_s = 20 }))
    end)

    it("speaks through another program of consoles: picocom", function()
        local peer <close> = peers.pty()
        local node = peers.output("readlink -f " .. peer.where)
        local con <close> = assert(console.open("exec:exec picocom " .. node))
        assert(con:expect("Terminal ready", { timeout_s = 20 }))
        assert(con:send("version\r"))
        assert(peer.board:expect("version", { timeout_s = 20 }))
        assert(peer.board:send("U-Boot 2023.01\r\n=> "))
        assert(con:expect("2023.01\n=> ", { timeout_s = 20 }))
    end)

    it("tells how the command ended", function()
        for command, ending in pairs({
            ["echo no route to lab >&2; exit 7"] = 'ended with status 7; its last line "no route to lab"',
            ["kill -9 $$"] = "ended with signal 9",
        }) do
            local con <close> = assert(console.open("exec:" .. command))
            local match, message, code = con:expect("never", { timeout_s = 20 })
            assert.same({ nil, "closed" }, { match, code })
            assert.is_truthy(message:find(ending, 1, true), message)
        end
    end)

    it("ends what the command has started, also what ignores the hang-up", function()
        local con = assert(console.open("exec:trap '' HUP; sleep 600 & echo pid $! $$; wait; wait"))
        local child = con:expect("re:pid (\\d+) \\d+\n", { timeout_s = 20 }).captures[1]
        local started = job.now()
        con:close()
        assert.is_true(job.now() - started < 3)
        peers.await("the end of " .. child, function()
            return not sys.stat("/proc/" .. child .. "/exe")
        end)
    end)
end)
