-- SPDX-License-Identifier: Apache-2.0
--
-- What a board's keys of its console make of the line: a pty's settings, read at its other
-- side.
local board_schema = require("jflash.board_schema")
local consoles = require("jflash.dut.console")
local job = require("jflash.job")
local peers = require("tests.support.console_peer")
local schema = require("jflash.schema")

describe("a board's console", function()
    local peer

    before_each(function()
        peer = peers.pty()
    end)

    after_each(function()
        getmetatable(peer).__close(peer)
    end)

    -- Whether the terminal has each of these flags; "-" in front: it has not.
    local function assert_flags(flags)
        local text = (" " .. peers.output("stty -a -F " .. peer.where)):gsub("[\n;]", " ") .. " "
        for flag in flags:gmatch("%S+") do
            assert(text:find(" " .. flag .. " ", 1, true), flag .. " in " .. text)
        end
    end

    local function console(keys)
        keys.device = peer.where
        local config = schema.read_value(keys, board_schema.fields.console, { name = "b" })
        return consoles.of_board({ name = "b", console = config })
    end

    it("hangs up at the last close, unless disable_hupcl", function()
        peers.output("stty hupcl -F " .. peer.where)
        for _, case in ipairs({ { false, "hupcl" }, { true, "-hupcl" } }) do
            local con = console({ disable_hupcl = case[1] })
            con:open()
            assert_flags(case[2])
            con:close()
            assert_flags(case[2])
        end
    end)

    it("has the flow control of `flow`, and of the single keys", function()
        for _, case in ipairs({
            { {}, "-crtscts -ixon -ixoff" },
            { { flow = "rtscts" }, "crtscts -ixon -ixoff" },
            { { flow = "xonxoff" }, "-crtscts ixon ixoff" },
            { { rts = "flow_control", cts = "flow_control" }, "crtscts -ixon -ixoff" },
            { { xon_xoff = "in" }, "-crtscts -ixon ixoff" },
            { { flow = "rtscts", xon_xoff = "out" }, "crtscts ixon -ixoff" },
        }) do
            local con = console(case[1])
            con:open()
            assert_flags(case[2])
            con:close()
        end
    end)

    it("pauses before each line that is typed, not before keys", function()
        local con = console({ line_delay_s = 0.2 })
        con:open()
        local started = job.now()
        con:send("\3")
        con:send("\r")
        assert.is_true(job.now() - started < 0.2)
        con:send("a line\n")
        assert.is_true(job.now() - started >= 0.2)
        assert(peer.board:expect("a line", { timeout_s = 20 }))
        con:close()
    end)

    it("types no faster than cps, whatever the pace", function()
        local con = console({ cps = 200 })
        con:open()
        for _, pace in ipairs({ false, 1000 }) do
            local started = job.now()
            con:send(("x"):rep(41), { cps = pace or nil })
            assert.is_true(job.now() - started >= 0.2)
        end
        local started = job.now()
        con:send("slower", { cps = 25 })
        assert.is_true(job.now() - started >= 0.2)
        con:close()
    end)

    it("catches up no delay by a burst", function()
        local con = console({ cps = 500000 })
        con:open()
        peer:stop()
        os.execute(("{ sleep 0.4; kill -CONT %s; } &"):format(peer.pid))
        local started = job.now()
        -- A third of it fits into a pty.
        con:send(("x"):rep(200000))
        assert.is_true(job.now() - started >= 0.6)
        con:close()
    end)

    it("says what the system cannot do", function()
        for _, case in ipairs({
            { { cts = "flow_control" }, "the system has flow control by RTS and CTS together only" },
            { { flow = "dtrdsr" }, "the system has no flow control by DTR and DSR" },
            { { dsr = "flow_control" }, "the system has no flow control by DTR and DSR" },
            { { rts = "on" }, "this terminal has no modem lines" },
        }) do
            local con = console(case[1])
            local ok, failure = pcall(con.open, con)
            assert.is_false(ok)
            assert.equal("tty: " .. case[2], failure.message)
            assert.equal("unsupported", failure.code)
        end
    end)
end)
