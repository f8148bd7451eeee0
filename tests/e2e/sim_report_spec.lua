-- SPDX-License-Identifier: Apache-2.0
--
-- What a run leaves in its folder, however it ends, and what `jflash report` makes
-- of it.
local json = require("jflash.json")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

local SIGKILL, SIGTERM = 9, 15

local function result_of(dir)
    return assert(json.decode(support.read(dir .. "/result.json"), dir))
end

local function report(bench, args)
    local result = bench:jflash({ "report", table.unpack(args or {}) })
    assert.equal(0, result.status, result.stderr)
    return result.stdout
end

local function assert_has(text, ...)
    for _, wanted in ipairs({ ... }) do
        assert.is_truthy(text:find(wanted, 1, true), ("%q is not in:\n%s"):format(wanted, text))
    end
end

local function step(document, name)
    for _, entry in ipairs(document.steps) do
        if entry.name == name then
            return entry
        end
    end
end

-- The digest that a person gets from the files that the board loads.
local function bundle_digest(board)
    return support.shell(("cd '%s' && sha256sum manifest.yaml data/Image data/initramfs.gz data/board-a.dtb "
        .. "| sha256sum"):format(board.bundle)):match("^%x+")
end

describe("a run's result", function()
    it("tells all of a flash that went well", function()
        local bench <close> = support.bench()
        local dir = bench:path("kept")
        local path = bench:image("disk.img.xz")
        bench:assert_result(bench:flash({ path, "--run-dir", dir }), { status = 0 })
        local document = result_of(dir)
        local digest = support.sha256(bench.content)
        assert.same({ 1, "flash", "sim", "verified", "success", 0, "off" }, {
            document.format, document.command, document.board, document.result, document.class,
            document.status, document.power })
        local piece = document.pieces[1]
        assert.same({ path, "xz", "/dev/vda", "verified", #bench.content, digest, digest },
            { piece.image, piece.format, piece.device, piece.result, piece.sent_bytes,
                piece.sent_sha256, piece.read_back_sha256 })
        assert.equal(support.sha256(support.read(path)), piece.delivered_sha256)
        assert.equal(sys.stat(path).size, piece.delivered_bytes)
        assert.equal(sys.realpath(bench.board.bundle), document.bundle.path)
        assert.equal(bundle_digest(bench.board), document.bundle.sha256)
        assert.equal(#bench.content, step(document, "write").bytes)
        assert.is_true(step(document, "verify").started_s >= step(document, "write").started_s)
        assert.is_nil(document.error)
        assert_has(report(bench, { dir }), "verified, exit status 0", "sha256:" .. digest, "/dev/vda",
            "resolve_target", "jflash flash")
    end)

    it("tells what failed in between", function()
        local bench <close> = support.bench({
            faults = { { kind = "connection", action = "cut", after_bytes = 1 << 20, times = 1, match = "/image" } },
        }, { retries = 1 })
        local dir = bench:path("kept")
        bench:assert_result(bench:flash({ bench:image("disk.img"), "--run-dir", dir }), { status = 0 })
        local write = step(result_of(dir), "write")
        assert.same({ 2, true, 1, "network" }, { write.tries, write.ok, #write.failures, write.failures[1].code })
        assert_has(report(bench, { dir }), "failed in between, write at", "download failed")
    end)

    it("tells why a run failed, with the console's lines, the hint and what cleaning up met", function()
        local bench <close> = support.bench({ faults = {
            { kind = "power_fails", at = "power", match = "off", nth = 2 },
            { kind = "panic", at = "kernel" },
        } }, { power = { cycle = support.NONE, state = support.NONE } })
        local dir = bench:path("kept")
        local result = bench:flash({ bench:image("disk.img"), "--run-dir", dir })
        bench:assert_result(result, { status = 5, step = "login", power = "on" })
        local document = result_of(dir)
        local failure = document.error
        assert.same({ "failed", "board", 5, "unknown", "panic", "login" }, { document.result,
            document.class, document.status, document.power, failure.code, failure.step })
        assert_has(failure.console, "Kernel panic")
        assert_has(failure.cleanup[1], "switch the power off")
        assert_has(report(bench, { dir }), "failed in step login (board, panic)", "Kernel panic",
            "and while cleaning up: switch the power off")
    end)

    it("has the power-off's failure behind a good flash", function()
        local bench <close> = support.bench({
            faults = { { kind = "power_fails", at = "power", match = "off", nth = 2 } },
        }, { power = { cycle = support.NONE, state = support.NONE } })
        local dir = bench:path("kept")
        bench:flash({ bench:image("disk.img"), "--run-dir", dir })
        local document = result_of(dir)
        assert.same({ "verified", "host", 4, "unknown" },
            { document.result, document.class, document.status, document.power })
    end)

    it("is there when the board was never reached", function()
        local bench <close> = support.bench()
        local dir = bench:path("kept")
        bench:flash({ bench:path("nosuch.img"), "--run-dir", dir })
        local document = result_of(dir)
        assert.same({ "failed", "source", 3, "untouched" },
            { document.result, document.class, document.status, document.power })
    end)

    it("is there when the run was cancelled", function()
        local bench <close> = support.bench()
        local dir, marker = bench:path("kept"), bench:path("marker")
        local run = bench:start_recipe(support.waiting_in("load", marker),
            { bench:image("disk.img"), "--run-dir", dir })
        run:wait_until("the step", function() return sys.stat(marker) end)
        run:kill(SIGTERM)
        bench:assert_result(run:wait(15), { status = 143, step = "load" })
        local document = result_of(dir)
        assert.same({ "failed", "cancelled", 143, "off", "load" }, { document.result, document.class,
            document.status, document.power, document.error.step })
    end)

    it("is never an earlier run's, and of a run that was killed the events tell", function()
        local bench <close> = support.bench()
        local dir, marker = bench:path("kept"), bench:path("marker")
        bench:flash({ bench:path("nosuch.img"), "--run-dir", dir })
        local run = bench:start_recipe(support.waiting_in("load", marker),
            { bench:image("disk.img"), "--run-dir", dir })
        run:wait_until("the step", function() return sys.stat(marker) end)
        assert_has(report(bench, { dir }), "still running")
        run:kill(SIGKILL)
        run:wait(5)
        assert.is_nil(sys.stat(dir .. "/result.json"))
        assert_has(report(bench, { dir }), "ended without a result", "sim", "power_cycle", "load",
            "the last that it said")
        local document = json.decode(report(bench, { dir, "--format", "json" }))
        assert.same({ "ended without a result", "load", false },
            { document.result, document.steps[#document.steps].name, document.steps[#document.steps].ok })
    end)

    it("is there for scripts that drive a board by themselves", function()
        local bench <close> = support.bench()
        bench:write_config()
        local function run(body)
            local script, dir = bench:path("script.lua"), bench:path("kept")
            support.write(script, ([[
                local duts = require("jflash.dut")
                local dut <close> = duts.new(require("jflash.config").board("sim"), { run_dir = %q, retries = 0 })
                %s]]):format(dir, body))
            return bench:jflash({ "run", script }).status, result_of(dir)
        end
        local status, document = run(("dut:flash(%q)"):format(bench:image("disk.img.xz")))
        assert.same({ 0, "verified", "success", "off" }, { status, document.result, document.class, document.power })
        status, document = run("local sh <close> = dut:bootloader_shell() sh:run('version')")
        assert.same({ 0, "nothing was to be written", "success", "off", "sim" }, { status, document.result,
            document.class, document.power, document.board })
        status, document = run("local sh <close> = dut:bootloader_shell() sh:run('nosuch')")
        assert.same({ 5, "board", 5, "off" }, { status, document.class, document.status, document.power })
        assert_has(document.error.message, "nosuch")
        status, document = run("dut:start_run() error('a mistake')")
        assert.same({ 1, "bug", "untouched" }, { status, document.class, document.power })
    end)

    it("is there for a Lua prompt", function()
        local bench <close> = support.bench()
        bench:write_config()
        local input, dir = bench:path("input"), bench:path("kept")
        support.write(input, "dut:power_cycle()\n")
        bench:assert_result(bench:jflash({ "repl", "--board", "sim", "--run-dir", dir }, { stdin = input }),
            { status = 0 })
        local document = result_of(dir)
        assert.same({ "nothing was to be written", "off" }, { document.result, document.power })
    end)

    it("that cannot be written is said, and does not hide the run's own", function()
        local bench <close> = support.bench()
        local dir = bench:path("kept")
        local changes = ([[recipe:after("finish", function()
            require("jflash.sys").mkdir(%q)
        end)]]):format(dir .. "/result.json")
        local result = bench:run_recipe(changes, { bench:image("disk.img"), "--run-dir", dir })
        bench:assert_result(result, { status = 0, says = { "flashed and verified",
            "the run's result could not be written" } })
    end)

    it("has no secrets", function()
        local bench <close> = support.bench({ password = "geheim" }, { login = { password = "geheim" } })
        local dir = bench:path("kept")
        local changes = [[recipe:after("login", function()
            error("the password is geheim")
        end)]]
        bench:run_recipe(changes, { bench:image("disk.img"), "--run-dir", dir })
        assert.equal(1, result_of(dir).status)
        assert.is_nil(support.read(dir .. "/result.json"):find("geheim", 1, true))
        assert.is_nil(report(bench, { dir }):find("geheim", 1, true))
    end)

    it("has an image's URL without what may be secret in it", function()
        local bench <close> = support.bench()
        local dir = bench:path("kept")
        bench:flash({ "http://lab:geheim@127.0.0.1:1/disk.img?sig=verborgen", "--run-dir", dir })
        for _, name in ipairs({ "result.json", "events.jsonl" }) do
            local text = support.read(dir .. "/" .. name)
            assert_has(text, "127.0.0.1:1/disk.img")
            assert.is_nil(text:find("geheim", 1, true) or text:find("verborgen", 1, true))
        end
    end)
end)

describe("jflash report", function()
    it("finds the runs by name, and the latest without one", function()
        local bench <close> = support.bench()
        bench:flash({ bench:path("nosuch.img") })
        local name = sys.list(bench:path(".local/state/jflash/runs"))[1]
        assert_has(report(bench), name, "failed in step prove_source")
        assert_has(report(bench, { name }), name)
        assert_has(report(bench, { "--list" }), name, "flash", "failed")
        assert.equal(3, json.decode(report(bench, { "--list", "--format", "json" }))[1].status)
    end)

    it("says what it looked for when there is no such run", function()
        local bench <close> = support.bench()
        local result = bench:jflash({ "report" })
        assert.equal(2, result.status)
        assert_has(result.stderr, "there are no runs in")
        result = bench:jflash({ "report", "nosuch" })
        assert.equal(2, result.status)
        assert_has(result.stderr, 'no run "nosuch"')
    end)
end)
