-- SPDX-License-Identifier: Apache-2.0
--
-- The examples of docs/shells.md, run as they stand against the scripted board.
local json = require("jflash.json")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

local DOCUMENT = arg[0]:match("^(.*)tests/busted%.lua$") .. "docs/shells.md"

-- The blocks of one language.
local function blocks(language)
    local found = {}
    for block in assert(sys.read_file(DOCUMENT)):gmatch("\n```" .. language .. "\n(.-\n)```") do
        table.insert(found, block)
    end
    assert(#found > 0)
    return found
end

-- A bench whose board has the documentation's name.
local function documented()
    local bench = support.bench({ storage_bytes = 8 << 20 })
    support.write(bench:path("jflash.yaml"), json.encode({ boards = { ["bench-3"] = bench.config } }))
    support.shell("chmod 600 " .. bench:path("jflash.yaml"))
    bench.write_config = function() end
    return bench
end

-- The commands of a transcript with what they print.
local function conversations(block)
    local found = {}
    for line in block:gmatch("[^\n]*\n") do
        local command = line:match("^%$ (.*)\n")
        if command then
            table.insert(found, { command = command, output = "" })
        else
            found[#found].output = found[#found].output .. line
        end
    end
    return found
end

local function run_in(bench, command)
    local program = sys.realpath(os.getenv("JFLASH_PROGRAM") or "build/asan/jflash")
    return assert(sys.run({ "sh", "-c", ("jflash() { %s \"$@\"; }; %s"):format(program, command) },
        { cwd = bench.dir, env = bench:place().env, timeout_s = 60 }))
end

describe("docs/shells.md", function()
    for _, block in ipairs(blocks("console")) do
        for _, example in ipairs(conversations(block)) do
            it("says what comes of: " .. example.command, function()
                local bench <close> = documented()
                local result = run_in(bench, example.command)
                assert.equal(example.output, result.stdout, result.stderr)
                assert.equal("off", bench.board:state())
            end)
        end
    end

    for index, block in ipairs(blocks("lua")) do
        it("has a script that works: number " .. index, function()
            local bench <close> = documented()
            bench:image("disk.img.xz")
            support.write(bench:path("example.lua"), block)
            local is_recipe = block:find("return recipe", 1, true)
            local result = run_in(bench, "jflash run example.lua"
                .. (is_recipe and " --board bench-3 -- echo done" or ""))
            assert.equal(0, result.status, result.stderr)
            assert.not_equal("", result.stdout)
            assert.equal("off", bench.board:state())
            bench:assert_nothing_left()
        end)
    end
end)
