-- SPDX-License-Identifier: Apache-2.0
local console = require("jflash.console")
local job = require("jflash.job")
local peers = require("tests.support.console_peer")

local function open_pty(options)
    local peer = peers.pty()
    local con = assert(console.open(peer.where, options))
    return peer, con
end

local function count_open_files()
    return tonumber(peers.output("ls /proc/self/fd | wc -l"))
end

describe("jflash.console", function()
    describe("expect", function()
        local peer, con

        before_each(function()
            peer, con = open_pty({ name = "ttyX" })
        end)

        after_each(function()
            job.reset()
            con:close()
            getmetatable(peer).__close(peer)
        end)

        it("gives index, text and what came before", function()
            peer.board:send("\27[1mU-Boot\27[0m\r\n=> rest")
            local match = con:expect({ "login:", "=> " }, { timeout_s = 20 })
            assert.same({
                index = 2,
                text = "=> ",
                before = "U-Boot\n",
                captures = {},
                failed = false,
                truncated = false,
            }, match)
            assert.equal("rest", con:expect("rest", { timeout_s = 20 }).text)
        end)

        it("gives the groups of an expression", function()
            peer.board:send("sz=12 end\n")
            local match = con:expect("re:sz=(\\d+)(k)? end$", { timeout_s = 20 })
            assert.same({ "12", false }, match.captures)
            assert.equal("sz=12 end", match.text)
        end)

        it("finds a pattern that comes byte by byte", function()
            for byte in ("\27[6nlog\rin: "):gmatch(".") do
                assert(peer.board:send(byte))
            end
            assert.equal("login:", con:expect("login:", { timeout_s = 20 }).text)
        end)

        it("tells failure patterns apart", function()
            peer.board:send("Kernel panic - not syncing: x\n")
            local fail = { "Oops", "Kernel panic" }
            local match = con:expect("login:", { timeout_s = 20, fail = fail })
            assert.is_true(match.failed)
            assert.equal(2, match.index)
            peer.board:send("Oops login:")
            assert.is_true(con:expect("login:", { timeout_s = 20, fail = "Oops" }).failed)
            assert.is_false(con:expect("login:", { timeout_s = 20, fail = "Oops" }).failed)
        end)

        it("consumes nothing when it times out, and says what was seen", function()
            peer.board:send("first\r\n## Error:\tno partition\r\n")
            con:expect("first", { timeout_s = 20 })
            peers.await("the line", function()
                return con:pending():find("partition\n", 1, true)
            end)
            local match, message, code = con:expect({ "=> ", "a\rb" }, { timeout_s = 0.1, fail = "nope" })
            assert.is_nil(match)
            assert.equal("timeout", code)
            -- A busy host is later than that.
            assert.equal('ttyX: expect "=> ", "a\\rb": timeout after N s; last output '
                .. '"first\\n## Error:\\tno partition"', (message:gsub("after 0%.%d s", "after N s")))
            assert.equal("\n## Error:\tno partition\n", con:pending())
            assert.is_truthy(con:expect("## Error:", { timeout_s = 20 }))
        end)

        it("says when there was no output at all", function()
            local _, message = con:expect("=> ", { timeout_s = 0 })
            assert.equal('ttyX: expect "=> ": timeout after 0.0 s; no output', message)
        end)

        it("keeps secrets out of its messages", function()
            job.secret("hunter2hunter2")
            peer.board:send("password hunter2hunter2 is wrong")
            con:expect("wrong", { timeout_s = 20 })
            local _, message = con:expect("=> ", { timeout_s = 0 })
            assert.is_truthy(message:find('"password [redacted] is wrong"', 1, true))
        end)

        it("times out on a board that never stops talking", function()
            local flood <close> = peers.flood()
            local before = job.now()
            local _, _, code = flood.board:expect("=> ", { timeout_s = 0.3 })
            assert.equal("timeout", code)
            assert.is_true(job.now() - before < 10)
            assert.is_true(flood.board:stats().received_bytes > 0)
        end)

        it("is cancelled", function()
            job.cancel(15)
            local _, message, code = con:expect("=> ", { timeout_s = 30 })
            assert.equal("cancelled", code)
            assert.equal('ttyX: expect "=> ": cancelled by SIGTERM', message)
        end)

        it("matches what came before a hang-up, then says closed", function()
            peer.board:send("last words")
            peers.await("the words", function()
                return con:pending() == "last words"
            end)
            peer:kill()
            assert.equal("words", con:expect("words", { timeout_s = 20 }).text)
            local _, message, code = con:expect("more", { timeout_s = 20 })
            assert.equal("closed", code)
            assert.is_truthy(message:find('ttyX: expect "more": the other side hung up', 1, true))
            assert.is_truthy(message:find('last output "last words"', 1, true))
            local _, _, send_code = con:send("x")
            assert.equal("closed", send_code)
        end)

        it("forgets what was discarded", function()
            peer.board:send("old => ")
            peers.await("the prompt", function()
                return con:pending() == "old => "
            end)
            con:discard()
            assert.equal("", con:pending())
            assert.equal("old => ", con:tail(100))
            peer.board:send("new => ")
            assert.equal("new ", con:expect("=> ", { timeout_s = 20 }).before)
        end)

        it("raises on misuse", function()
            for _, bad in ipairs({ "", "re:", "re:(", {}, { "a", 1 }, { "" } }) do
                assert.has_error(function()
                    con:expect(bad, { timeout_s = 0 })
                end)
            end
            assert.has_error(function()
                con:expect("a", { timeout = 1 })
            end, "bad argument #3: unknown option 'timeout'")
            con:close()
            con:close()
            assert.has_error(function()
                con:expect("a")
            end, "the console is closed")
        end)

        it("stops an expression that backtracks without end", function()
            peer.board:send(("a"):rep(60) .. "b")
            local before = job.now()
            local _, message, code = con:expect("re:(a+)+$", { timeout_s = 30 })
            assert.equal("limit", code)
            assert.is_truthy(message:find("match limit exceeded", 1, true))
            assert.is_true(job.now() - before < 15)
        end)
    end)

    it("finds a terminal's node by its other names", function()
        local peer <close> = peers.pty()
        local node = peers.output("readlink -f " .. peer.where)
        assert.equal(node, console.find(peer.where))
        assert.equal(node, console.find(peer.where:gsub("y$", "[y]")))
        local path, message, code = console.find(peer.where .. "-not-there")
        assert.is_nil(path)
        assert.matches("No such file", message)
        assert.equal("io", code)
        assert.equal("unsupported", select(3, console.find("tcp:127.0.0.1:1")))
    end)

    it("keeps a bounded window and counts what it loses", function()
        local peer <close>, con = peers.unix({ window_bytes = 8192 })
        local line = ("x"):rep(1023) .. "\n"
        for _ = 1, 3 do
            assert(peer.board:send(line:rep(1024), { timeout_s = 60 }))
        end
        peer.board:send("=> ")
        peers.await("all of it", function()
            return con:stats().received_bytes == 3 * 1024 * 1024 + 3
        end)
        local match = con:expect("=> ", { timeout_s = 20 })
        assert.is_true(match.truncated)
        assert.equal(8192 - 3, #match.before)
        assert.equal(3 * 1024 * 1024 - (8192 - 3), con:stats().dropped_bytes)
        con:close()
    end)

    it("lets its thread sleep while a long wait reads, and drain again after it", function()
        local peer <close>, con = open_pty()
        local function wake_ups()
            local total = 0
            for status in peers.output("cat /proc/$PPID/task/*/status"):gmatch("\nvoluntary_ctxt_switches:%s*(%d+)") do
                total = total + tonumber(status)
            end
            return total
        end
        -- The thread notices that another one reads by a byte that comes meanwhile.
        for _ = 1, 20 do
            assert(peer.board:send("x"))
            assert(con:expect("x", { timeout_s = 20 }))
        end
        local before = wake_ups()
        local _, _, code = con:expect("=> ", { timeout_s = 0.5 })
        assert.equal("timeout", code)
        assert.is_true(wake_ups() - before < 60)
        assert(peer.board:send(("x"):rep(1 << 20), { timeout_s = 60 }))
        peers.await("all of it", function()
            return con:stats().received_bytes == (1 << 20) + 20
        end)
        con:close()
    end)

    it("speaks through unix and TCP sockets", function()
        for _, kind in ipairs({ "unix", "tcp" }) do
            local peer <close>, con = peers[kind]()
            peer.board:send("hello\r\n")
            assert.equal("hello\n", con:expect("hello\n", { timeout_s = 20 }).text)
            assert.is_true(con:send("answer\n"))
            assert.equal("answer", peer.board:expect("answer", { timeout_s = 20 }).text)
            assert.equal("unsupported", select(3, con:send_break(1)))
            peer:kill()
            assert.equal("closed", select(3, con:expect("x", { timeout_s = 20 })))
            con:close()
        end
    end)

    describe("send", function()
        it("keeps the pace", function()
            local peer <close>, con = open_pty()
            local before = job.now()
            assert.is_true(con:send(("x"):rep(21), { cps = 200 }))
            assert.is_true(job.now() - before >= 0.1)
            assert.equal(20, #peer.board:expect("re:x{21}", { timeout_s = 20 }).text - 1)
            assert.equal("timeout", select(3, con:send(("x"):rep(100), { cps = 10, timeout_s = 0.05 })))
            assert.equal(22, con:stats().sent_bytes)
            con:close()
        end)

        it("times out on a board that does not read", function()
            for _, open in ipairs({ open_pty, peers.unix }) do
                local peer <close>, con = open({ name = "deaf" })
                peer:stop()
                local before = job.now()
                local ok, message, code = con:send(("x"):rep(8 * 1024 * 1024), { timeout_s = 0.2 })
                assert.is_nil(ok)
                assert.equal("timeout", code)
                local expected = "^deaf: send: %d+ of 8388608 bytes sent: timeout after %d%.%d s$"
                assert.is_truthy(message:match(expected), message)
                con:close()
                assert.is_true(job.now() - before < 10)
            end
        end)
    end)

    describe("open", function()
        local cases = {
            { "unix:/nonexistent/socket", "io", "socket: connect: No such file or directory" },
            { "unix:/" .. ("x"):rep(200), "limit", "a socket's path has at most 107 bytes" },
            { "tcp:127.0.0.1:1", "io", "127.0.0.1:1: connect: Connection refused" },
            { "tcp:127.0.0.1", "protocol", 'HOST:PORT expected, got "127.0.0.1"' },
            { "tcp:127.0.0.1:70000", "protocol", "HOST:PORT expected" },
            { "tcp::1", "protocol", "HOST:PORT expected" },
            { "/dev/nonexistent", "io", "nonexistent: open: No such file or directory" },
            { "/dev/null", "unsupported", "null: not a terminal" },
            { "/etc/passwd", "unsupported", "not a character device" },
            { "usb:no-such-adapter", "io", "usb:no-such-adapter: no terminal fits; those behind USB: " },
            { "/etc/passw?-none", "io", "no terminal fits; in its folder: " },
            { "ttyUSB0", "unsupported", '"ttyUSB0" is none of unix:PATH, tcp:HOST:PORT, telnet:HOST:PORT, ' },
        }
        for _, case in ipairs(cases) do
            it("refuses " .. case[1]:sub(1, 30), function()
                local before = count_open_files()
                local con, message, code = console.open(case[1])
                assert.is_nil(con)
                assert.equal(case[2], code)
                assert.is_truthy(message:find(case[3], 1, true), message)
                assert.equal(before, count_open_files())
            end)
        end

        it("gives up connecting at its deadline and when cancelled", function()
            -- A listener with a full queue: connections to it stay under way.
            local dir = peers.output("mktemp -d")
            local pid = peers.output(([[exec python3 -c '
import socket, time
u = socket.socket(socket.AF_UNIX); u.bind("%s/full"); u.listen(0)
peers = []
for _ in range(8):
    p = socket.socket(socket.AF_UNIX); p.setblocking(False)
    try: p.connect("%s/full")
    except BlockingIOError: break
    peers.append(p)
open("%s/ready", "w").close()
time.sleep(60)' >/dev/null 2>&1 & echo $!]]):format(dir, dir, dir))
            peers.await("the listener", function()
                return peers.content(dir .. "/ready")
            end)
            local _, _, code = console.open("unix:" .. dir .. "/full", { timeout_s = 0.05 })
            job.cancel(2)
            local _, _, cancelled = console.open("unix:" .. dir .. "/full", { timeout_s = 30 })
            job.reset()
            os.execute("kill -9 " .. pid .. "; rm -r " .. dir)
            assert.equal("timeout", code)
            assert.equal("cancelled", cancelled)
        end)

        it("takes a pty for itself, and puts its settings back", function()
            local peer <close> = peers.pty()
            os.execute("stty -F " .. peer.where .. " sane 9600")
            local settings = peers.output("stty -g -F " .. peer.where)
            local con = assert(console.open(peer.where, { name = "mine" }))
            local other, message, code = console.open(peer.where, { name = "second" })
            assert.is_nil(other)
            assert.equal("io", code)
            assert.equal("second: taken by this very process: Device or resource busy", message)
            local during = peers.output("stty -g -F " .. peer.where .. " 2>/dev/null")
            assert.not_equal(settings, during)
            assert.is_true(con:send_break(1))
            con:close()
            assert.equal(settings, peers.output("stty -g -F " .. peer.where))
            local again <close> = assert(console.open(peer.where))
            assert.is_not_nil(again)
        end)

        it("sets the line up", function()
            local peer <close> = peers.pty()
            local con <close> = assert(console.open(peer.where, {
                baudrate = 9600,
                bytesize = 7,
                parity = "even",
                stopbits = 2,
                flow = "xonxoff",
                hupcl = false,
            }))
            -- A pty keeps neither size nor parity.
            local settings = peers.output("stty -a -F " .. peer.where)
            for _, want in ipairs({ "9600 baud", " cstopb", " ixon", "-hupcl", "-icanon", "-echo " }) do
                assert.is_truthy(settings:find(want, 1, true), want .. " in " .. settings)
            end
            assert.is_not_nil(con)
        end)

        it("changes the line's settings while it is open", function()
            local peer <close> = peers.pty()
            local con <close> = assert(console.open(peer.where, { name = "p", baudrate = 9600, hupcl = false }))
            assert.is_true(con:set_line({ baudrate = 57600, flow = "xonxoff" }))
            assert.is_true(con:set_line({ stopbits = 2 }))
            local settings = peers.output("stty -a -F " .. peer.where)
            for _, want in ipairs({ "57600 baud", " cstopb", " ixon", "-hupcl", "-icanon" }) do
                assert.is_truthy(settings:find(want, 1, true), want .. " in " .. settings)
            end
            local _, message, code = con:set_line({ flow = "dtrdsr" })
            assert.equal("unsupported", code)
            assert.equal("p: line settings: the system has no flow control by DTR and DSR", message)
        end)

        it("sets each direction's flow control, as far as the system can", function()
            local peer <close> = peers.pty()
            local con <close> = assert(console.open(peer.where, { name = "p" }))
            local function flow(options)
                assert(con:set_line(options))
                local settings = " " .. peers.output("stty -a -F " .. peer.where)
                local on = {}
                for _, flag in ipairs({ "crtscts", "ixon", "ixoff" }) do
                    table.insert(on, settings:find("[ \n]" .. flag .. "[ ;\n]") and flag or nil)
                end
                return table.concat(on, " ")
            end
            assert.equal("", flow({}))
            assert.equal("ixoff", flow({ xon_xoff = "in" }))
            assert.equal("ixon", flow({ xon_xoff = "out" }))
            assert.equal("ixon ixoff", flow({ xon_xoff = "inout" }))
            assert.equal("crtscts", flow({ flow = "rtscts" }))
            assert.equal("crtscts ixon", flow({ xon_xoff = "out" }))
            assert.equal("", flow({ flow = "none" }))
            for _, options in ipairs({ { cts = "flow_control" }, { flow = "rtscts", cts = "ignore" } }) do
                local _, message, code = con:set_line(options)
                assert.same({ "p: line settings: the system has flow control by RTS and CTS together only",
                    "unsupported" }, { message, code })
            end
            con:close()
            local both <close> = assert(console.open(peer.where, { cts = "flow_control", rts = "flow_control" }))
            assert.truthy(peers.output("stty -a -F " .. peer.where):find(" crtscts", 1, true))
            assert.truthy(both)
        end)

        it("says that a pty and a socket have no modem lines", function()
            local peer <close> = peers.pty()
            local con <close> = assert(console.open(peer.where, { name = "p" }))
            assert.same({ nil, "p: modem lines: this terminal has no modem lines", "unsupported" },
                { con:set_modem({ dtr = false }) })
            assert.same({ nil, "p: modem lines: this terminal has no modem lines", "unsupported" },
                { con:modem() })
            con:close()
            assert.same({ nil, "p: this terminal has no modem lines", "unsupported" },
                { console.open(peer.where, { name = "p", dtr = "off" }) })
        end)

        it("opens the one terminal that fits a pattern", function()
            local peer <close> = peers.pty()
            local link = peer.dir .. "/usb-FTDI_A100-if00"
            assert(os.execute(("ln -s %s %s"):format(peer.where, link)))
            local con <close> = assert(console.open(peer.dir .. "/usb-*-if00"))
            assert.is_true(con:set_line({ baudrate = 9600 }))
            assert.is_truthy(peers.output("stty -a -F " .. peer.where):find("9600 baud", 1, true))
        end)

        it("refuses a rate that a pty's settings cannot name", function()
            local peer <close> = peers.pty()
            local _, message, code = console.open(peer.where, { name = "p", baudrate = 12345 })
            assert.equal("unsupported", code)
            assert.equal("p: 12345 baud is no standard rate", message)
        end)

        it("raises on misuse", function()
            local faulty = { { baud = 1 }, { baudrate = "x" }, { parity = "?" }, { dtr = true }, { window_bytes = 1 } }
            for _, options in ipairs(faulty) do
                assert.has_error(function()
                    console.open("/dev/null", options)
                end)
            end
        end)
    end)

    describe("transcript", function()
        it("has every byte with its direction, and no secret", function()
            local peer <close>, con = open_pty({ name = "ttyX" })
            local path = peer.dir .. "/transcript"
            job.secret("sesame-open")
            assert.is_true(con:transcript(path))
            assert.equal("600", peers.output("stat -c %a " .. path))
            peer.board:send("login: \27[6n\0\\")
            con:expect("login:", { timeout_s = 20 })
            con:send("root\n")
            for piece in ("password sesame-open!\r\n"):gmatch(".") do
                peer.board:send(piece)
            end
            con:expect("!\n", { timeout_s = 20 })
            con:send("sesa")
            con:send("me-open\n")
            peer.board:send("sesame-op")
            peers.await("the end", function()
                return con:pending():find("sesame-op", 1, true)
            end)
            assert.is_true(con:transcript(nil))
            con:send("not in the record\n")
            con:close()
            local lines = {}
            for line in peers.content(path):gmatch("[^\n]*\n") do
                lines[#lines + 1] = line:gsub("^ +%d+%.%d+ ", "")
            end
            assert.is_truthy(lines[1]:match("^# ttyX, %d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ\n$"))
            assert.same({
                "< login: \\e[6n\\x00\\\\\n",
                "> root\\n\n",
                "< password [redacted]!\\r\\n\n",
                "> [redacted]\\n\n",
                "< sesame-op\n",
            }, { table.unpack(lines, 2) })
        end)

        it("refuses what is no file it can write", function()
            local peer <close>, con = open_pty({ name = "ttyX" })
            os.execute("mkfifo " .. peer.dir .. "/fifo")
            local _, message, code = con:transcript("/nonexistent/file")
            assert.equal("io", code)
            assert.equal("ttyX: transcript /nonexistent/file: No such file or directory", message)
            assert.is_nil(con:transcript(peer.dir .. "/fifo"))
            assert.equal("unsupported", select(3, con:transcript("/dev/null")))
            con:close()
        end)
    end)

    it("echoes what it receives to stderr, clean and without secrets", function()
        local peer <close> = peers.pty()
        local script = assert(io.open(peer.dir .. "/script.lua", "w"))
        script:write(([[
            require("jflash.job").secret("sesame-open")
            local console = require("jflash.console")
            local con <close> = assert(console.open(%q))
            con:echo(true)
            assert(con:send("go\n"))
            assert(con:expect("end\n", { timeout_s = 20 }))
            con:echo(false)
            assert(con:send("on\n"))
            assert(con:expect("silent", { timeout_s = 20 }))
        ]]):format(peer.where))
        script:close()
        local program = peers.output("readlink /proc/$PPID/exe")
        local command = "%s run %s/script.lua 2>%s/stderr; echo $? >%s/status"
        os.execute("(" .. command:format(program, peer.dir, peer.dir, peer.dir) .. ") &")
        assert.is_truthy(peer.board:expect("go\n", { timeout_s = 20 }))
        peer.board:send("a \27[1msesame-")
        peer.board:send("open\27[0m\r\nend\n")
        assert.is_truthy(peer.board:expect("on\n", { timeout_s = 20 }))
        peer.board:send("silent")
        local status = peers.await("the program", function()
            local text = peers.content(peer.dir .. "/status")
            return text ~= "" and text
        end)
        assert.equal("a [redacted]\nend\n", peers.content(peer.dir .. "/stderr"))
        assert.equal("0\n", status)
    end)
end)
