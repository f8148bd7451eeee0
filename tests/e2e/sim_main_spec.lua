-- SPDX-License-Identifier: Apache-2.0
--
-- The main path against the scripted board: whole runs that end well, what they
-- say to people and to machines, and what they keep.
local json = require("jflash.json")
local recipe = require("jflash.recipe.flash")
local support = require("tests.e2e.support")

local function json_lines(text)
    local lines = {}
    for line in text:gmatch("[^\n]+") do
        lines[#lines + 1] = assert(json.decode(line))
    end
    return lines
end

describe("a flash of the scripted board", function()
    support.rows({
        {
            name = "ends with status 0, the image on the storage and nothing else changed",
            image = "disk.img.xz", status = 0, storage = "flashed", cycles = 1,
            says = { "sim: flashed and verified", "(equal)" },
        },
        {
            name = "says only its result with --quiet", args = { "--quiet" },
            status = 0, storage = "flashed", says = "flashed and verified", never = { "[  " },
        },
    }, it)

    it("tells machines its result, steps and digests", function()
        local bench <close> = support.bench()
        local result = bench:flash({ bench:image("disk.img.xz"), "--log-format", "json" })
        local lines = json_lines(result.stderr)
        local last = lines[#lines]
        local digest = support.sha256(bench.content)
        assert.equal(0, result.status)
        assert.equal("verified", last.result)
        assert.equal(digest, last.pieces[1].sent_sha256)
        assert.equal(digest, last.pieces[1].read_back_sha256)
        assert.equal(#recipe.order, #last.steps)
        assert.equal("off", bench.board:state())
    end)

    it("tells machines its result with --quiet, and nothing else", function()
        local bench <close> = support.bench()
        local result = bench:flash({ bench:image("disk.img.xz"), "--log-format", "json", "--quiet" })
        local lines = json_lines(result.stderr)
        assert.equal(0, result.status)
        assert.equal(1, #lines)
        assert.equal("verified", lines[1].result)
    end)

    it("tells machines what failed", function()
        local bench <close> = support.bench({ faults = { { kind = "panic", at = "kernel" } } })
        local result = bench:flash({ bench:image("disk.img"), "--log-format", "json" })
        local lines = json_lines(result.stderr)
        local last = lines[#lines]
        assert.equal(5, result.status)
        assert.same({ "error", "board", "panic", "login", 5 },
            { last.level, last.class, last.code, last.failed_step, last.status })
        assert.is_truthy(last.console:find("Kernel panic", 1, true))
    end)

    it("keeps the console and the log in the run's folder, failures included", function()
        local bench <close> = support.bench({ faults = { { kind = "panic", at = "kernel" } } })
        local dir = bench:path("kept")
        local result = bench:flash({ bench:image("disk.img"), "--run-dir", dir })
        bench:assert_result(result, { status = 5, step = "login" })
        assert.is_truthy(support.read(dir .. "/console.log"):find("Kernel panic", 1, true))
        local lines = json_lines(support.read(dir .. "/events.jsonl"))
        assert.equal("panic", lines[#lines].code)
    end)

    it("leaves a board on that it never touched", function()
        local bench <close> = support.bench()
        bench.board:switch("on")
        local result = bench:flash({ bench:path("nosuch.img") })
        bench:assert_result(result, { status = 3, power = "on", cycles = 1 })
    end)

    it("never shows a password", function()
        local bench <close> = support.bench({ password = "geheim" }, { login = { password = "geheim" } })
        local dir = bench:path("kept")
        local result = bench:flash({ bench:image("disk.img"), "--console-debug", "--run-dir", dir })
        bench:assert_result(result, { status = 0, never = { "geheim" } })
        for _, name in ipairs({ "console.log", "events.jsonl" }) do
            assert.is_nil(support.read(dir .. "/" .. name):find("geheim", 1, true))
        end
    end)
end)
