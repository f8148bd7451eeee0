-- SPDX-License-Identifier: Apache-2.0
--
-- `jflash console` and `jflash power` as a person uses them: on a terminal of their
-- own, which this test plays, against the scripted board.
local ser2net = require("tests.support.ser2net")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")
local terminals = require("tests.support.terminal")

local ESCAPE = "\x1d"

local function console(bench, size)
    bench:write_config()
    local terminal = terminals.start(bench:place(), { "console", "--board", "sim" }, size)
    terminal:see("opens the menu")
    return terminal
end

describe("jflash console", function()
    it("shows the board, types to it, and leaves by the menu", function()
        local bench <close> = support.bench()
        local terminal <close> = console(bench)
        bench.board:switch("on")
        terminal:see("Hit any key")
        terminal:type(" ")
        terminal:see("=> ")
        terminal:type("version\r")
        terminal:see("re:(?m)^U-Boot ")
        terminal:type(ESCAPE)
        terminal:see("q quit")
        terminal:type("q")
        terminal:see("left the console")
        terminal:ends_with(0)
        assert.equal("on", bench.board:state())
        bench.board:switch("off")
        bench:assert_nothing_left()
    end)

    it("has a menu: power, break, log, help, and the escape key itself", function()
        local bench <close> = support.bench()
        local terminal <close> = console(bench)
        terminal:type(ESCAPE .. "o")
        terminal:see("[jflash: power on]")
        terminal:see("Hit any key")
        terminal:type("  ")
        terminal:see("=> ")
        terminal:type(ESCAPE .. "l")
        terminal:see("run folder")
        terminal:type("echo in-the-$arch-log\r")
        terminal:see("=> ")
        terminal:type(ESCAPE .. "l")
        terminal:see("[jflash: log off: ")
        terminal:type("echo not-in-the-log\r")
        terminal:see("=> ")
        terminal:type(ESCAPE .. "l")
        terminal:see("[jflash: log on: ")
        terminal:type(ESCAPE .. "?")
        terminal:see("send a break")
        terminal:see("send Ctrl-] itself")
        terminal:type("b")
        terminal:see("[jflash: ")
        terminal:type(ESCAPE .. "x") -- nothing
        terminal:type(ESCAPE .. "c")
        terminal:see("[jflash: power is on again]")
        terminal:see("Hit any key")
        terminal:type(ESCAPE .. "f")
        terminal:see("[jflash: power off]")
        assert.equal("off", bench.board:state())
        terminal:type(ESCAPE .. "q")
        terminal:ends_with(0)
        local record = support.shell(("cat '%s'/.local/state/jflash/runs/*/console.log"):format(bench.dir))
        assert.truthy(record:find("in-the-", 1, true))
        assert.falsy(record:find("not-in-the-log", 1, true))
        bench:assert_nothing_left()
    end)

    it("sends the escape key's byte when it is pressed twice, and shows what came meanwhile", function()
        local bench <close> = support.bench(nil, { console = { escape_key = "^A" } })
        local terminal <close> = console(bench)
        bench.board:switch("on")
        terminal:see("Hit any key")
        terminal:type(" ")
        terminal:see("=> ")
        -- Another key than the usual one: that goes to the board.
        terminal:type(ESCAPE)
        terminal:type("\1")
        terminal:see("q quit")
        bench.board:set_fault({ kind = "noise", at = "now", text = "said meanwhile\n" })
        terminal:type("\1")
        terminal:see("said meanwhile")
        terminal:type("\1q")
        terminal:ends_with(0)
        assert.truthy(support.read(bench.board.dir .. "/log"))
        bench.board:switch("off")
        bench:assert_nothing_left()
    end)

    it("goes on when an action of its menu fails", function()
        local bench <close> = support.bench({ faults = { { kind = "power_fails", times = 6 } } })
        local terminal <close> = console(bench)
        terminal:type(ESCAPE .. "o")
        terminal:see("3 tries")
        terminal:type(ESCAPE .. "q")
        terminal:ends_with(0)
        bench:assert_nothing_left()
    end)

    it("has a Lua prompt in its menu", function()
        local bench <close> = support.bench()
        local terminal <close> = console(bench)
        bench.board:switch("on")
        terminal:see("Hit any key")
        terminal:type(" ")
        terminal:see("=> ")
        terminal:type(ESCAPE .. ":")
        terminal:see("Ctrl-D goes back")
        terminal:type("dut.name .. dut.power:state()\r")
        terminal:see("simon")
        terminal:type("dut.uboot:settle() return (dut.uboot:run('echo $bootcmd'))\r")
        terminal:see("re:(?m)^run distro_bootcmd$")
        terminal:see("sim> ")
        terminal:type("\4")
        terminal:see("echo $bootcmd") -- what the board said meanwhile
        terminal:type("echo to-the-$bootcmd\r")
        terminal:see("re:(?m)^to-the-run")
        terminal:type(ESCAPE .. "q")
        terminal:ends_with(0)
        bench.board:switch("off")
        bench:assert_nothing_left()
    end)

    it("ends, and restores the terminal, on SIGTERM and on a hang-up", function()
        local bench <close> = support.bench()
        local terminal <close> = console(bench)
        assert(sys.kill(terminal:pid(), "TERM"))
        terminal:see("cancelled by SIGTERM")
        terminal:ends_with(143)
        bench:assert_nothing_left()

        local second <close> = console(bench)
        bench.board:switch("on")
        second:see("Hit any key")
        bench.board:set_fault({ kind = "hang_up", at = "now" })
        second:see("the console hung up")
        second:ends_with(5)
    end)
end)

describe("jflash console on a console that hangs up", function()
    local BACK = { console = { reconnect_s = 1 } }

    local function at_prompt(bench)
        local terminal = console(bench)
        bench.board:switch("on")
        terminal:see("Hit any key")
        terminal:type(" ")
        terminal:see("=> ")
        return terminal
    end

    local function echo(terminal, word)
        terminal:type("echo " .. word .. "-$bootcmd\r")
        terminal:see("re:(?m)^" .. word .. "-run")
    end

    local function leave(bench, terminal)
        terminal:type(ESCAPE .. "q")
        terminal:ends_with(0)
        bench.board:switch("off")
        bench:assert_nothing_left()
    end

    it("waits for the device to come back, and goes on with it", function()
        local bench <close> = support.bench(nil, BACK)
        local terminal <close> = at_prompt(bench)
        bench.board:set_fault({ kind = "hang_up", at = "now", times = 1, back_after_s = 0.5 })
        terminal:see("waiting for it to come back, Ctrl-] q leaves]")
        terminal:type("lost\3")
        terminal:see("No such file or directory]")
        terminal:see("the console is open again]")
        echo(terminal, "first")
        bench.board:set_fault({ kind = "hang_up", at = "now", times = 1, back_after_s = 0.1 })
        terminal:see("the console is open again]")
        echo(terminal, "second")
        assert.falsy(table.concat(bench.board:texts("uboot"), "\n"):find("lost", 1, true))
        leave(bench, terminal)
    end)

    it("can be left meanwhile, and by a signal", function()
        local bench <close> = support.bench(nil, BACK)
        local terminal <close> = at_prompt(bench)
        bench.board:set_fault({ kind = "hang_up", at = "now" })
        terminal:see("No such file or directory]")
        terminal:type(ESCAPE .. "b") -- its action fails
        terminal:see("the console is not open]")
        leave(bench, terminal)
    end)

    it("ends by a signal while it waits", function()
        local bench <close> = support.bench(nil, BACK)
        local terminal <close> = at_prompt(bench)
        bench.board:set_fault({ kind = "hang_up", at = "now" })
        terminal:see("No such file or directory]")
        assert(sys.kill(terminal:pid(), "TERM"))
        terminal:ends_with(143)
        bench.board:switch("off")
        bench:assert_nothing_left()
    end)

    for _, accepter in ipairs({ "telnet(rfc2217)", "raw" }) do
        it("waits for a server that is started again: " .. accepter, function()
            local bench <close> = support.bench(nil, BACK)
            local server <close> = ser2net.start(accepter, bench.board.console)
            bench.config.console.device = (accepter == "raw" and "tcp:" or "rfc2217:") .. server.address
            local terminal <close> = at_prompt(bench)
            server:kill()
            terminal:see("Connection refused]")
            server:run()
            terminal:see("the console is open again]")
            echo(terminal, "back")
            terminal:type(ESCAPE .. "q")
            terminal:ends_with(0)
            bench.board:switch("off")
        end)
    end

    it("fails where nobody sits at a terminal", function()
        local bench <close> = support.bench(nil, BACK)
        local fifo = bench:path("fifo")
        support.shell("mkfifo " .. fifo)
        local keeper <close> = assert(io.open(fifo, "r+"))
        local run = bench:start({ "console", "--board", "sim" }, { stdin = fifo })
        run:wait_said("opens the menu")
        bench.board:set_fault({ kind = "hang_up", at = "now" })
        local result = run:wait(20)
        assert.equal(5, result.status, result.stderr)
        assert.truthy(result.stderr:find("the console hung up", 1, true), result.stderr)
        assert(keeper)
    end)
end)

describe("jflash power", function()
    it("switches, cycles and tells", function()
        local bench <close> = support.bench()
        for _, case in ipairs({ { "on", "on" }, { "cycle", "on" }, { "off", "off" } }) do
            local result = bench:jflash({ "power", case[1], "--board", "sim" })
            assert.equal(0, result.status, result.stderr)
            assert.equal(case[2], bench.board:state())
            assert.equal(case[2] .. "\n", bench:jflash({ "power", "state", "--board", "sim" }).stdout)
        end
        bench:assert_nothing_left()
    end)

    it("fails with status 4 when the device does", function()
        local bench <close> = support.bench({ faults = { { kind = "power_fails" } } })
        local result = bench:jflash({ "power", "on", "--board", "sim" })
        assert.equal(4, result.status, result.stderr)
        assert.truthy(result.stderr:find("3 tries", 1, true), result.stderr)
    end)
end)

describe("a console that hangs up and comes back in the middle of a run", function()
    local BACK = { console = { reconnect_s = 20 } }

    support.rows({
        {
            name = "while a file is loaded fails that command, and the run goes on",
            options = { faults = { { kind = "hang_up", at = "load", times = 1, back_after_s = 0.3 } } },
            config = { retries = 1, console = BACK.console, uboot = { load_timeout_s = 3 } },
            status = 0, storage = "flashed",
            says = { "trying for 20 s to open it again", "the console is open again after" },
        },
        {
            name = "while it writes costs no power cycle",
            options = {
                faults = { { kind = "hang_up", at = "write", offset = 4096, times = 1, back_after_s = 0.3 } },
            },
            config = BACK, status = 0, cycles = 1, storage = "flashed",
            says = { "the console is open again after", "flashed and verified" },
        },
        {
            name = "is waited for no longer than reconnect_s",
            options = { faults = { { kind = "hang_up", at = "write", offset = 4096 } } },
            config = { console = { reconnect_s = 0.5 } }, status = 5, step = "write", within_s = 15,
            message = "hung up", says = "the console did not come back",
        },
    }, it)
end)

-- A run stands still at a step until the test lets it go on.
local PAUSE = [[
recipe:before(%q, function()
    local job, sys = require("jflash.job"), require("jflash.sys")
    io.open(%q, "w"):close()
    while not sys.stat(%q) do
        require("jflash.errors").check("host", job.sleep(0.02))
    end
end)
]]

describe("ser2net that is killed and started again in the middle of a run", function()
    local function put_before(bench, accepter)
        local server = ser2net.start(accepter, bench.board.console)
        bench.config.console.device = (accepter == "raw" and "tcp:" or "rfc2217:") .. server.address
        return server
    end

    -- The terminal has ser2net's settings, and keeps them when that is killed.
    local function assert_result(bench, run, wanted)
        local result = run:wait()
        bench.tty = bench:tty_settings()
        bench:assert_result(result, wanted)
    end

    for accepter, steps in pairs({ ["telnet(rfc2217)"] = { "login", "verify" }, raw = { "load" } }) do
        for _, step in ipairs(steps) do
            it(("at %s is waited for: %s"):format(step, accepter), function()
                local bench <close> = support.bench(nil, { console = { reconnect_s = 20 }, retries = 1 })
                local server <close> = put_before(bench, accepter)
                local marker, go = bench:path("marker"), bench:path("go")
                local run = bench:start_recipe(PAUSE:format(step, marker, go), { bench:image("disk.img") })
                run:wait_until("the step", function() return sys.stat(marker) end)
                server:kill()
                support.write(go, "")
                run:wait_said("trying for 20 s to open it again")
                server:run()
                assert_result(bench, run, { status = 0, storage = "flashed", says = "flashed and verified" })
            end)
        end

        it("while the image is written costs no byte: " .. accepter, function()
            local bench <close> = support.bench(nil, { console = { reconnect_s = 20 } })
            local server <close> = put_before(bench, accepter)
            local run = bench:start_flash({ bench:image("disk.img") })
            run:wait_until("the writer", function() return bench:workers() > 0 end)
            server:kill()
            run:wait_said("trying for 20 s to open it again")
            server:run()
            assert_result(bench, run, { status = 0, cycles = 1, storage = "flashed",
                says = "flashed and verified" })
        end)
    end

    it("ends the run where it is not waited for", function()
        local bench <close> = support.bench()
        local server <close> = put_before(bench, "telnet(rfc2217)")
        local marker, go = bench:path("marker"), bench:path("go")
        local run = bench:start_recipe(PAUSE:format("write", marker, go), { bench:image("disk.img") })
        run:wait_until("the step", function() return sys.stat(marker) end)
        server:kill()
        support.write(go, "")
        assert_result(bench, run, { status = 5, step = "write", message = "hung up" })
    end)
end)
