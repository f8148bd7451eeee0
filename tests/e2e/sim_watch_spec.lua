-- SPDX-License-Identifier: Apache-2.0
--
-- `jflash console --watch`: looking on while a run uses the board.
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

local HOLD = [[
recipe:before("load", function()
    io.open(%q, "w"):close()
    while not io.open(%q) do assert(require("jflash.job").sleep(0.02)) end
end)
]]

-- A run that holds the board at U-Boot's prompt until `let_go` is called.
local function holder(bench, image)
    local marker, go = bench:path("marker"), bench:path("go")
    local run = bench:start_recipe(HOLD:format(marker, go), { image })
    run:wait_until("the first run", function() return sys.stat(marker) end)
    return run, function() support.write(go, "") end
end

local function watch(bench, ...)
    return bench:start({ "console", "--board", "sim", "--watch", ... })
end

local function wait_shown(run, text)
    run:wait_until(text, function()
        return support.read(run.base .. ".out"):find(text, 1, true)
    end)
end

describe("jflash console --watch", function()
    it("shows what the board said and says, and ends with the run and its result", function()
        local bench <close> = support.bench()
        local first, let_go = holder(bench, bench:image("disk.img"))
        local second = watch(bench)
        second:wait_said("run folder /")
        wait_shown(second, "=> ")
        local before = support.read(second.base .. ".out")
        assert.falsy(before:find("login:", 1, true))
        let_go()
        wait_shown(second, "login:")
        local flashed = first:wait()
        local result = second:wait(10)
        bench:assert_result(flashed, { status = 0, storage = "flashed", cycles = 1 })
        assert.equal(0, result.status, result.stderr)
        assert.matches("the run has ended: success", result.stderr)
        assert.falsy(result.stdout:find("%d%.%d+ [<>] "), result.stdout)
        assert.falsy(result.stdout:find("\\r\\n", 1, true), result.stdout)
        assert.truthy(result.stdout:find("\r\n", 1, true), result.stdout)
    end)

    it("says that a run which was killed left no result", function()
        local bench <close> = support.bench()
        local first = holder(bench, bench:image("disk.img"))
        local second = watch(bench)
        wait_shown(second, "=> ")
        first:kill(9)
        first:wait()
        local result = second:wait(10)
        assert.equal(0, result.status, result.stderr)
        assert.matches("the run has ended, without a result", result.stderr)
        -- Its text is still in the lock's file.
        result = bench:jflash({ "console", "--board", "sim", "--watch" })
        assert.equal(4, result.status, result.stderr)
        bench.board:switch("off")
    end)

    it("fails with a hint when the run's folder cannot be read", function()
        local bench <close> = support.bench()
        local first, let_go = holder(bench, bench:image("disk.img"))
        -- Root may read everything, but a folder is no transcript to anybody.
        local log = support.shell(("echo '%s'/.local/state/jflash/runs/*/console.log"):format(bench.dir)):match("%S+")
        assert(sys.rename(log, log .. ".away"))
        assert(sys.mkdir(log))
        local result = watch(bench):wait(10)
        assert.equal(4, result.status, result.stderr)
        assert.matches("console.log: not a regular file", result.stderr)
        assert.truthy(result.stderr:find("only the run's user and root can read its folder", 1, true), result.stderr)
        let_go()
        assert.equal(0, first:wait().status)
    end)

    it("tells another user who has the board, and that the run's folder is not his", function()
        if sys.uid() ~= 0 then
            pending("only root can be another user")
        end
        local bench <close> = support.bench()
        local first, let_go = holder(bench, bench:image("disk.img"))
        support.shell(("chmod 711 '%s' && cp '%s' '%s/shared.yaml' && chmod 644 '%s/shared.yaml'"):format(bench.dir,
            bench:write_config(), bench.dir, bench.dir))
        local options = { within = "setpriv --reuid=65534 --regid=65534 --clear-groups" }
        local result = bench:start({ "console", "--watch", "--board", "sim", "--config", bench:path("shared.yaml") },
            options):wait(10)
        assert.equal(4, result.status, result.stderr)
        assert.truthy(result.stderr:find(("pid %d, user %s,"):format(first:pid(), sys.user()), 1, true), result.stderr)
        assert.matches("console.log: Permission denied", result.stderr)
        local hint = ("its folder: sudo -u %s jflash console --watch --board sim"):format(sys.user())
        assert.truthy(result.stderr:find(hint, 1, true), result.stderr)
        let_go()
        bench:assert_result(first:wait(), { status = 0, storage = "flashed", cycles = 1 })
    end)

    it("is left by Ctrl-C, and the run goes on", function()
        local bench <close> = support.bench()
        local first, let_go = holder(bench, bench:image("disk.img"))
        local second = watch(bench)
        wait_shown(second, "=> ")
        second:kill(2)
        assert.equal(130, second:wait(5).status)
        let_go()
        bench:assert_result(first:wait(), { status = 0, storage = "flashed", cycles = 1 })
    end)

    it("refuses a board that no run uses, and tells what to do", function()
        local bench <close> = support.bench()
        local result = bench:jflash({ "console", "--board", "sim", "--watch" })
        assert.equal(4, result.status, result.stderr)
        assert.truthy(result.stderr:find("no run uses board sim", 1, true), result.stderr)
        assert.truthy(result.stderr:find("jflash console --board sim", 1, true), result.stderr)
        bench:assert_nothing_left()
    end)

    it("waits for a run with --wait", function()
        local bench <close> = support.bench()
        local second = watch(bench, "--wait", "20")
        second:wait_said("waiting up to 20 s")
        local flashed = bench:flash({ bench:image("disk.img") })
        local result = second:wait(10)
        bench:assert_result(flashed, { status = 0, storage = "flashed" })
        assert.equal(0, result.status, result.stderr)
        assert.matches("the run has ended: success", result.stderr)
        assert.truthy(result.stdout:find("login:", 1, true), result.stdout)
    end)

    it("is what the error about a board in use names", function()
        local bench <close> = support.bench()
        local image = bench:image("disk.img")
        local first, let_go = holder(bench, image)
        local second = bench:flash({ image })
        assert.equal(4, second.status, second.stderr)
        assert.truthy(second.stderr:find("jflash console --watch --board sim", 1, true), second.stderr)
        let_go()
        bench:assert_result(first:wait(), { status = 0, storage = "flashed" })
    end)
end)
