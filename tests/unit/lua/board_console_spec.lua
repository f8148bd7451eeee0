-- SPDX-License-Identifier: Apache-2.0
--
-- What a board's keys of its console make of the line: a pty's settings, read at its other
-- side.
local board_schema = require("jflash.board_schema")
local consoles = require("jflash.dut.console")
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
