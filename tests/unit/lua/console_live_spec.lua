-- SPDX-License-Identifier: Apache-2.0
--
-- A console's live terminal: con:attach().
local console = require("jflash.console")
local job = require("jflash.job")
local peers = require("tests.support.console_peer")

local function open_pty(options)
    local peer = peers.pty()
    local con = assert(console.open(peer.where, options))
    return peer, con
end

describe("a console's live terminal", function()
    -- Runs `attach` in a process of its own, whose terminal is a pty of socat's;
    -- `person` sits at that terminal.
    local function start(peer)
        local script = assert(io.open(peer.dir .. "/script.lua", "w"))
        script:write(([[
            local console = require("jflash.console")
            local con <close> = assert(console.open(%q))
            local live <close> = assert(con:attach())
            local how, message, code = live:run()
            io.stderr:write(tostring(how or code), " ", con:pending(), "\n")
            if how == "escape" then
                io.stderr:write("key ", live:key(), "\n")
                live:rest()
                peer = io.popen("stty -g >rested")
                peer:close()
                io.stderr:write(tostring(live:run()), "\n")
            end
        ]]):format(peer.where))
        script:close()
        local sh = assert(io.open(peer.dir .. "/run", "w"))
        sh:write(([[
            cd %s
            stty -g >before
            %s run script.lua 2>result
            stty -g >after
            echo finished
        ]]):format(peer.dir, peers.output("readlink /proc/$PPID/exe")))
        sh:close()
        return peers.relay(("EXEC:'sh %s/run',pty,ctty,setsid"):format(peer.dir))
    end

    -- What comes before the terminal is attached is not shown there.
    local function say(peer, person, text)
        peers.await("the terminal to show " .. text, function()
            peer.board:send(text)
            return person.board:expect("\n", { timeout_s = 0.2 })
        end)
    end

    it("copies both ways up to the escape byte", function()
        local peer <close> = peers.pty()
        local person <close> = start(peer)
        say(peer, person, "\27[1mboard says\27[0m\n")
        person.board:send("typed\r\3")
        assert.is_truthy(peer.board:expect("typed\3", { timeout_s = 20 }))
        -- Left, a key, and entered again: all in one read, and nothing is lost.
        person.board:send("x\29yz\29")
        local got = assert(peer.board:expect("z", { timeout_s = 20 }))
        assert.equal("x", got.before)
        assert.is_truthy(person.board:expect("finished", { timeout_s = 20 }))
        local result = peers.content(peer.dir .. "/result")
        assert.is_truthy(result:find("^escape board says\n.*key y\nescape\n"), result)
        assert.equal(peers.content(peer.dir .. "/before"), peers.content(peer.dir .. "/rested"))
        assert.equal(peers.content(peer.dir .. "/before"), peers.content(peer.dir .. "/after"))
    end)

    it("ends when the board hangs up", function()
        local peer <close> = peers.pty()
        local person <close> = start(peer)
        say(peer, person, "last\n")
        peer:kill()
        assert.is_truthy(person.board:expect("finished", { timeout_s = 20 }))
        assert.is_truthy(peers.content(peer.dir .. "/result"):find("^closed last\n"))
        assert.equal(peers.content(peer.dir .. "/before"), peers.content(peer.dir .. "/after"))
    end)

    it("sends all of an input that is no terminal, then ends", function()
        local peer <close>, con = open_pty()
        local path = peer.dir .. "/input"
        local input = assert(io.open(path, "w"))
        input:write("one\ntwo\n")
        input:close()
        local fd = peers.open(path)
        local sink = peers.open("/dev/null", "w")
        local live <close> = assert(con:attach({ input_fd = fd.number, output_fd = sink.number }))
        assert.equal("eof", live:run())
        fd.file:close()
        sink.file:close()
        assert.is_truthy(peer.board:expect("two\n", { timeout_s = 20 }))
        con:close()
    end)

    it("ends when its output cannot be written", function()
        local peer <close> = peers.flood()
        local fifo = peer.dir .. "/fifo"
        local input = peers.open(fifo, "r+", "mkfifo " .. fifo)
        local full = peers.open("/dev/full", "w")
        local ends = { input_fd = input.number, output_fd = full.number }
        local live <close> = assert(peer.board:attach(ends))
        local _, message, code = live:run()
        input.file:close()
        full.file:close()
        assert.equal("io", code)
        assert.equal("board: attach: the output cannot be written", message)
    end)

    it("is cancelled", function()
        local peer <close>, con = open_pty({ name = "ttyX" })
        local fd = peers.open(peer.dir .. "/fifo", "r+", "mkfifo " .. peer.dir .. "/fifo")
        job.cancel(2)
        local live = assert(con:attach({ input_fd = fd.number, output_fd = 1 }))
        local _, message, code = live:run()
        job.reset()
        fd.file:close()
        con:close()
        assert.equal("cancelled", code)
        assert.equal("ttyX: attach: cancelled by SIGINT", message)
    end)

    it("keeps what the board says between two turns", function()
        local peer <close>, con = open_pty({ name = "ttyX" })
        local typed = peers.open(peer.dir .. "/fifo", "r+", "mkfifo " .. peer.dir .. "/fifo")
        local shown = peers.open(peer.dir .. "/shown", "w")
        local live <close> = assert(con:attach({ input_fd = typed.number, output_fd = shown.number }))
        assert.equal("timeout", live:run({ timeout_s = 0 }))
        peer.board:send("said between\n")
        assert.is_truthy(con:expect("said between\n", { timeout_s = 20 }))
        peers.await("the text to be shown", function()
            assert.equal("timeout", live:run({ timeout_s = 0.05 }))
            return peers.content(peer.dir .. "/shown"):find("said between", 1, true)
        end)
        typed.file:close()
        shown.file:close()
    end)

    it("says how much it could not show, where that is missing", function()
        local peer <close>, con = open_pty({ name = "ttyX" })
        local typed = peers.open(peer.dir .. "/fifo", "r+", "mkfifo " .. peer.dir .. "/fifo")
        local shown = peers.open(peer.dir .. "/shown", "w")
        local live <close> = assert(con:attach({ input_fd = typed.number, output_fd = shown.number }))
        local text = ("x"):rep(3 << 20) .. "\n"
        local function show(what)
            peers.await("the terminal to show " .. what, function()
                assert.equal("timeout", live:run({ timeout_s = 0.05 }))
                return peers.content(peer.dir .. "/shown"):find(what, 1, true)
            end)
        end
        -- Nobody looks meanwhile.
        assert(peer.board:send(text, { timeout_s = 60 }))
        assert(con:expect("x\n", { timeout_s = 60 }))
        show("bytes not shown]\r\n")
        peer.board:send("and on\n")
        show("and on\n")
        typed.file:close()
        shown.file:close()
        local before, lost, after = peers.content(peer.dir .. "/shown"):match(
            "^(x+)\r\n%[(%d+) bytes not shown%]\r\n(.*)$")
        assert.equal(#text, #before + tonumber(lost))
        assert.equal("and on\n", after)
    end)

    it("is one at a time, and ends with its console", function()
        local peer <close>, con = open_pty({ name = "ttyX" })
        local live = assert(con:attach())
        local _, message, code = con:attach()
        assert.equal("limit", code)
        assert.equal("ttyX: there is a live terminal already", message)
        con:close()
        assert.equal("closed", live:run())
        live:close()
        live:close()
        assert.has_error(function() live:run() end, "the live terminal is closed")
        assert.is_truthy(peer)
    end)
end)
