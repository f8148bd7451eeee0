-- SPDX-License-Identifier: Apache-2.0
--
-- Whole runs through a real ser2net that is killed and started again in their middle.
local ser2net = require("tests.support.ser2net")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

-- How a board's console is reached by what ser2net accepts.
local SCHEMES = { ["telnet(rfc2217)"] = "rfc2217:", raw = "tcp:" }

-- ser2net between a bench's board and its runs, to be closed.
local function put_between(bench, accepter, reconnect_s)
    local server = ser2net.start(accepter, bench.board.console)
    bench.config.console.device = SCHEMES[accepter] .. server.address
    bench.config.console.reconnect_s = reconnect_s
    return server
end

-- Noise that tells when the image is being written.
local WRITING = { faults = { { kind = "noise", at = "write", offset = 1 << 20, times = 1 } } }

local function await_write(bench)
    assert(bench.board:wait_for(function(entry)
        return entry.kind == "fault" and entry.at == "write"
    end, 30), "nothing was written")
end

-- Nobody has put the board's own line back: that was ser2net's, which was killed.
local function assert_flashed(bench, result, cycles)
    bench.tty = bench:tty_settings()
    bench:assert_result(result, { status = 0, cycles = cycles, storage = "flashed",
        says = { "the console is open again after", "flashed and verified" } })
end

-- Kills ser2net while a run stands still before a step, and starts it again.
-- What was under way on the line is lost: a command costs another try, and a board that
-- asked for the login meanwhile does not ask again, which costs a power cycle.
local function assert_goes_on(accepter, step)
    local bench <close> = support.bench(nil, { retries = 1 })
    local server <close> = put_between(bench, accepter, 30)
    local marker, go = bench:path("marker"), bench:path("go")
    local run = bench:start_recipe(support.waiting_in(step, marker, go), { bench:image("disk.img") })
    run:wait_until("the step", function() return sys.stat(marker) end)
    server:kill()
    support.write(go, "")
    run:wait_said("trying for 30 s to open it again")
    server:run()
    assert_flashed(bench, run:wait(), step ~= "login" and 1 or nil)
end

for accepter in pairs(SCHEMES) do
    describe("a run through ser2net's " .. accepter, function()
        it("goes on when that is started again at the loader's prompt", function()
            assert_goes_on(accepter, "load")
        end)

        it("goes on when that is started again while it writes", function()
            local bench <close> = support.bench(WRITING, { retries = 1 })
            local server <close> = put_between(bench, accepter, 30)
            local run = bench:start_flash({ bench:image("disk.img") })
            await_write(bench)
            server:kill()
            run:wait_said("trying for 30 s to open it again")
            server:run()
            assert_flashed(bench, run:wait(), 1)
        end)

        it("fails at once without reconnect_s", function()
            local bench <close> = support.bench(WRITING)
            local server <close> = put_between(bench, accepter, 0)
            local run = bench:start_flash({ bench:image("disk.img") })
            await_write(bench)
            server:kill()
            local result = run:wait()
            bench.tty = bench:tty_settings()
            bench:assert_result(result, { status = 5, cycles = 1, message = "the other side hung up" })
        end)
    end)
end

describe("a run through ser2net", function()
    for _, step in ipairs({ "login", "verify" }) do
        it("goes on when that is started again before the step " .. step, function()
            assert_goes_on("telnet(rfc2217)", step)
        end)
    end

    it("does not take a board for flashed that was reset while the console was away", function()
        local bench <close> = support.bench(WRITING)
        local server <close> = put_between(bench, "telnet(rfc2217)", 30)
        local run = bench:start_flash({ bench:image("disk.img") })
        await_write(bench)
        server:kill()
        bench.board:set_fault({ kind = "reset", at = "now", times = 1 })
        run:wait_said("trying for 30 s to open it again")
        server:run()
        local result = run:wait()
        bench.tty = bench:tty_settings()
        bench:assert_result(result, { status = 5, cycles = 1 })
    end)
end)
