-- SPDX-License-Identifier: Apache-2.0
--
-- One run per board: a second one is refused with who holds it, or waits.
local job = require("jflash.job")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

local HOLD = [[
recipe:before("interrupt", function()
    io.open(%q, "w"):close()
    while not io.open(%q) do assert(require("jflash.job").sleep(0.02)) end
end)
]]

-- A run that holds the board until `let_go` is called.
local function holder(bench, image)
    local marker, go = bench:path("marker"), bench:path("go")
    local run = bench:start_recipe(HOLD:format(marker, go), { image })
    run:wait_until("the first run", function() return sys.stat(marker) end)
    return run, function() support.write(go, "") end
end

describe("a board in use", function()
    it("is refused at once, with pid, user and start", function()
        local bench <close> = support.bench()
        local image = bench:image("disk.img")
        local first, let_go = holder(bench, image)
        local second = bench:flash({ image })
        assert.equal(4, second.status, second.stderr)
        local pid = assert(second.stderr:match("board sim is in use: pid (%d+), user %S+, since "
            .. "%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d"), second.stderr)
        assert.equal(first:pid(), math.tointeger(pid))
        assert.is_truthy(second.stderr:find("--wait", 1, true))
        assert.equal("on", bench.board:state())
        for _, args in ipairs({ { "power", "off" }, { "console" } }) do
            local other = bench:jflash({ args[1], "--board", "sim", args[2] })
            assert.equal(4, other.status, other.stderr)
        end
        let_go()
        bench:assert_result(first:wait(), { status = 0, storage = "flashed", cycles = 1 })
    end)

    it("is waited for with --wait", function()
        local bench <close> = support.bench()
        local image = bench:image("disk.img")
        local first, let_go = holder(bench, image)
        local second = bench:start_flash({ image, "--wait", "20" })
        second:wait_said("is in use (pid")
        let_go()
        assert.equal(0, first:wait().status)
        bench:assert_result(second:wait(), { status = 0, storage = "flashed", cycles = 2 })
    end)

    it("is waited for no longer than --wait says", function()
        local bench <close> = support.bench()
        local image = bench:image("disk.img")
        local first, let_go = holder(bench, image)
        local started = job.now()
        local second = bench:flash({ image, "--wait", "1" })
        assert.equal(4, second.status, second.stderr)
        assert.is_true(job.now() - started >= 1)
        let_go()
        bench:assert_result(first:wait(), { status = 0 })
    end)

    it("ends a waiting run at a signal", function()
        local bench <close> = support.bench()
        local image = bench:image("disk.img")
        local first, let_go = holder(bench, image)
        local second = bench:start_flash({ image, "--wait", "20" })
        second:wait_said("is in use (pid")
        second:kill(2)
        assert.equal(130, second:wait(5).status)
        let_go()
        bench:assert_result(first:wait(), { status = 0, storage = "flashed", cycles = 1 })
    end)
end)

describe("two boards", function()
    it("are flashed side by side", function()
        local one <close> = support.bench()
        local two <close> = support.bench()
        local first = one:start_flash({ one:image("disk.img.xz") })
        local second = two:start_flash({ two:image("disk.img.gz") })
        one:assert_result(first:wait(), { status = 0, storage = "flashed" })
        two:assert_result(second:wait(), { status = 0, storage = "flashed" })
    end)
end)

describe("a command line or configuration that is wrong", function()
    local function refused(name, args, says, config)
        it(name, function()
            local bench <close> = support.bench(nil, config)
            for index, word in ipairs(args) do
                args[index] = word == "IMAGE" and bench:image("disk.img") or word
            end
            local result = bench:jflash(args)
            bench:assert_result(result, { status = 2, says = says, cycles = 0, storage = "untouched" })
        end)
    end
    refused("has an unknown board", { "flash", "--board", "simm", "IMAGE" }, { "simm", "sim" })
    refused("has an unknown target", { "flash", "--board", "sim", "--target", "disc", "IMAGE" },
        { "disc", "disk" })
    refused("has an unknown variant", { "flash", "--board", "sim", "--variant", "x", "IMAGE" }, "board-a")
    refused("has an unknown option", { "flash", "--board", "sim", "--nosuch", "IMAGE" }, "nosuch")
    refused("has an unknown key", { "flash", "--board", "sim", "IMAGE" }, "unknown key", { colour = "red" })
    refused("has a value of a wrong type", { "flash", "--board", "sim", "IMAGE", "--set", "retries=many" },
        "retries")
    refused("has no bundle", { "flash", "--board", "sim", "IMAGE" }, "bundle", { bundle = "/nosuch" })

    local function manifest(name, change, row)
        it("has a manifest " .. name, function()
            local bench <close> = support.bench()
            local path = bench.board.bundle .. "/manifest.yaml"
            support.write(path, change(support.read(path)))
            row.cycles = row.status == 2 and 0 or 1
            bench:assert_result(bench:flash({ bench:image("disk.img") }), row)
        end)
    end
    manifest("with a wrong type", function(text)
        return (text:gsub("targets:\n.-  kernel:", "targets: 7\n  kernel:"))
    end, { status = 2, message = { "manifest.yaml:", "targets" } })
    manifest("without a key it needs", function(text)
        return (text:gsub("  bootcmd: [^\n]*\n", "", 1))
    end, { status = 2, message = { "manifest.yaml", "bootcmd" } })
    manifest("with an unknown key", function(text)
        return text .. "  colour: red\n"
    end, { status = 0, storage = "flashed", says = { "warning", "colour" } })
    manifest("that names a file which is not in the bundle", function(text)
        return (text:gsub("data/Image", "data/Imige"))
    end, { status = 2, message = { "Imige", "not in the bundle" }, hint = "data/Image" })
    manifest("that names a file outside of the bundle", function(text)
        return (text:gsub("data/Image", "../Image"))
    end, { status = 2, message = "may leave the bundle" })
    manifest("that is no YAML", function(text) return text .. "\n\t{{{" end, { status = 2 })
end)
