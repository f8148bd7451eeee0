-- SPDX-License-Identifier: Apache-2.0
--
-- `jflash console` and `jflash power` as a person uses them: on a terminal of their
-- own, which this test plays, against the scripted board.
local consoles = require("jflash.console")
local job = require("jflash.job")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

-- A terminal in which `jflash ARGS` runs, and this test's end of it.
---@return table process, table person  the bench closes both
local function terminal(bench, args)
    local path = bench:path("terminal")
    local program = sys.realpath(os.getenv("JFLASH_PROGRAM") or "build/asan/jflash")
    local command = ("EXEC:'%s %s',pty,setsid,ctty,stderr"):format(program, table.concat(args, " "))
    local master = ("PTY,link=%s,raw,echo=0,wait-slave"):format(path)
    local process = assert(sys.spawn({ "socat", master, command },
        { cwd = bench.dir, env = { JFLASH_TEST_MARK = bench.mark, HOME = bench.dir,
            XDG_STATE_HOME = false, XDG_CONFIG_HOME = false } }))
    local deadline = job.now() + 10
    while not sys.stat(path) do
        assert(job.now() < deadline, "socat made no terminal")
        assert(job.sleep(0.01))
    end
    local person = assert(consoles.open(path))
    return process, person
end

describe("jflash console", function()
    it("shows the board, types to it, and leaves by Ctrl-]", function()
        local bench <close> = support.bench()
        bench:write_config()
        local process, person = terminal(bench, { "console", "--board", "sim" })
        assert(person:expect("Ctrl-] ends it", { timeout_s = 10 }))
        bench.board:switch("on")
        assert(person:expect("Hit any key", { timeout_s = 10 }))
        assert(person:send(" "))
        assert(person:expect("=> ", { timeout_s = 10 }))
        assert(person:send("version\r"))
        assert(person:expect("re:(?m)^U-Boot ", { timeout_s = 10 }))
        assert(person:send("\x1d"))
        assert(person:expect("left the console", { timeout_s = 10 }))
        assert.equal(0, assert(process:wait({ timeout_s = 10 })).status)
        assert.equal("on", bench.board:state())
        bench.board:switch("off")
        bench:assert_nothing_left()
    end)

    it("ends, and restores the terminal, on SIGTERM", function()
        local bench <close> = support.bench()
        bench:write_config()
        local process, person = terminal(bench, { "console", "--board", "sim" })
        assert(person:expect("Ctrl-] ends it", { timeout_s = 10 }))
        local pids = sys.run({ "pgrep", "-P", tostring(process:pid()) })
        assert(sys.kill(math.tointeger(pids.stdout:match("%d+")), "TERM"))
        assert(person:expect("cancelled by SIGTERM", { timeout_s = 10 }))
        assert(process:wait({ timeout_s = 10 }))
        bench:assert_nothing_left()
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
