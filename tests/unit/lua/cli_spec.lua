-- SPDX-License-Identifier: Apache-2.0
--
-- The program as a person types it: help, versions, mistakes, overriding.
local cli = require("jflash.cli")
local json = require("jflash.json")
local runtime = require("jflash.runtime")
local sys = require("jflash.sys")

local PROGRAM = sys.process_exe(sys.pid())

local function jflash(...)
    return assert(sys.run({ PROGRAM, ... }, { timeout_s = 20 }))
end

describe("the command line", function()
    it("tells its version", function()
        local result = jflash("--version")
        assert.equal(("jflash %s (Lua API %d)\n"):format(runtime.version, runtime.api), result.stdout)
        assert.equal(0, result.status)
    end)

    for _, command in ipairs(cli.commands()) do
        it("has help for " .. command, function()
            for _, result in ipairs({ jflash(command, "--help"), jflash("help", command) }) do
                assert.equal(0, result.status, result.stderr)
                assert.equal(1, (result.stdout:find("Usage: jflash " .. command, 1, true)))
            end
        end)
    end

    -- argparse breaks what is longer, so that it cannot be copied.
    for _, command in ipairs(cli.parser()._commands) do
        it("has an example for " .. command._name .. ", and lines that a terminal holds", function()
            local epilog = command._epilog or "jflash help"
            assert.truthy(epilog:find("jflash " .. command._name, 1, true), epilog)
            for line in epilog:gmatch("[^\n]+") do
                assert.is_true(#line <= 80, line)
            end
        end)
    end

    it("has a heading for each option of a command that boots a board", function()
        for _, command in ipairs({ "flash", "dump", "bootloader-shell", "busybox-shell", "repl" }) do
            local help = jflash(command, "--help").stdout
            assert.truthy(help:find("\nWhich board:\n", 1, true), help)
            assert.falsy(help:find("\nOther options:\n", 1, true), help)
        end
    end)

    it("shows all commands without arguments", function()
        for _, result in ipairs({ jflash(), jflash("help"), jflash("--help") }) do
            assert.equal(0, result.status)
            assert.truthy(result.stdout:find("\n   flash ", 1, true))
        end
    end)

    local mistakes = {
        { { "flsh" }, "Did you mean 'flash'?" },
        { { "flash" }, "no image was named" },
        { { "flash", "x", "-t", "boot:y" }, "exclude each other" },
        { { "flash", "-t", "boot" }, "expected PART:FILE" },
        { { "flash", "-t", ":boot.img" }, "expected PART:FILE" },
        { { "flash", "-t", "boot:" }, "expected PART:FILE" },
        { { "flash", "-t", "a:x", "-t", "b:y", "--os-image-checksum", ("0"):rep(64) }, "is for one image" },
        { { "flash", "x", "--bord", "y" }, "Did you mean '--board'?" },
        { { "flash", "x", "--retries", "some" }, "--retries: 'some' is not a whole number" },
        { { "flash", "x", "--os-image-checksum", "12" }, "--os-image-checksum: '12' is no SHA-256" },
        { { "flash", "x", "--board", "nosuch" }, "no board 'nosuch'" },
        { { "flash", "x", "--board", "qemu-arm64", "--set", "powr.x=1" }, "did you mean 'power'" },
        { { "--board", "nosuch", "flash", "x" }, "no board 'nosuch'" },
        { { "-b", "flash", "power", "on" }, "no board 'flash'" },
        { { "--board", "nosuch", "run", "flash.lua", "x" }, "no board 'nosuch'" },
        { { "--config", "/nosuch.yaml", "boards" }, "/nosuch.yaml" },
        { { "--config", "x", "modules" }, "jflash modules takes no --config" },
        { { "--board", "x", "boards" }, "jflash boards takes no --board" },
        { { "help", "nosuch" }, "no command 'nosuch'" },
        { { "run", "nosuch.lua" }, 'no script "nosuch.lua"' },
        { { "run", "--quiet", "x.lua" }, "the script comes first" },
        { { "power", "sideways" }, "must be one of 'on', 'off'" },
    }
    for _, case in ipairs(mistakes) do
        it("refuses jflash " .. table.concat(case[1], " "), function()
            local result = jflash(table.unpack(case[1]))
            assert.equal(2, result.status, result.stderr)
            assert.truthy(result.stderr:find(case[2], 1, true), result.stderr)
            assert.is_nil(result.stderr:find("traceback", 1, true))
        end)
    end

    it("takes a board and a configuration before the command, and believes the ones behind it", function()
        local result = jflash("--board", "x", "--config", "/x.yaml", "flash", "i", "--board", "nosuch",
            "--config", "/dev/null")
        assert.truthy(result.stderr:find("/dev/null: not a regular file", 1, true), result.stderr)
    end)

    it("lists boards for machines", function()
        local boards = assert(json.decode(jflash("boards", "--log-format", "json").stdout))
        assert.same({ "qemu-arm", "qemu-arm64" }, { boards[1].name, boards[2].name })
    end)
end)

describe("jflash run", function()
    local dir

    before_each(function()
        dir = assert(sys.temp_dir("jflash-cli"))
    end)

    after_each(function()
        sys.remove_tree(dir)
    end)

    local function script(text)
        assert(sys.write_file(dir .. "/s.lua", text))
        return dir .. "/s.lua"
    end

    it("passes arguments on and takes the exit status", function()
        local path = script([[print(table.concat({ ... }, ' '), #arg, arg[2]); return 7]])
        local result = jflash("run", path, "--own", "option")
        assert.equal("--own option\t2\toption\n", result.stdout)
        assert.equal(7, result.status)
    end)

    it("passes on what stood before it", function()
        local path = script([[print(table.concat({ ... }, ' '))]])
        assert.equal("--board b --config c.yaml x\n",
            jflash("--config", "c.yaml", "-b", "b", "run", path, "x").stdout)
    end)

    it("shows where a user's Lua went wrong, with status 1", function()
        local result = jflash("run", script("local x = nil\nreturn x.y"))
        assert.equal(1, result.status)
        assert.truthy(result.stderr:find("s.lua:2:", 1, true))
        assert.truthy(result.stderr:find("traceback", 1, true))
    end)

    it("shows a syntax error's line", function()
        local result = jflash("run", script("\nlocal = 1"))
        assert.equal(1, result.status)
        assert.truthy(result.stderr:find("s.lua:2:", 1, true))
    end)

    it("interrupts a loop that never waits", function()
        local process <close> = assert(sys.spawn({ PROGRAM, "run",
            script("io.write('ready'):flush() while true do end") }, { stdout = dir .. "/out" }))
        for _ = 1, 2000 do
            if sys.read_file(dir .. "/out") == "ready" then
                break
            end
            require("jflash.job").sleep(0.01)
        end
        assert(process:kill("INT"))
        assert.equal(130, assert(process:wait({ timeout_s = 10 })).status)
    end)

    it("takes a module of the user's before the stock one", function()
        assert(sys.mkdir(dir .. "/jflash"))
        assert(sys.write_file(dir .. "/jflash/nearest.lua", "return { mine = true }"))
        local path = script("print(require('jflash.nearest').mine)")
        local result = assert(sys.run({ PROGRAM, "run", path }, { env = { JFLASH_PATH = dir } }))
        assert.equal("true\n", result.stdout)
        result = assert(sys.run({ PROGRAM, "modules" }, { env = { JFLASH_PATH = "relative:" .. dir } }))
        assert.truthy(result.stdout:find("jflash.nearest +" .. dir:gsub("%p", "%%%0") .. "/jflash/nearest.lua"))
        assert.is_nil(result.stdout:find("relative", 1, true))
    end)

    it("ignores LUA_PATH and LUA_INIT", function()
        local path = script("print(pcall(require, 'elsewhere'))")
        assert(sys.write_file(dir .. "/elsewhere.lua", "return 1"))
        local result = assert(sys.run({ PROGRAM, "run", path }, {
            env = { LUA_PATH = dir .. "/?.lua", LUA_INIT = "error('init')" },
        }))
        assert.equal(0, result.status)
        assert.truthy(result.stdout:find("^false"))
    end)
end)
