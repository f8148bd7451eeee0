-- SPDX-License-Identifier: Apache-2.0
--
-- Whole runs of the jflash program against the virtual board: real QEMU, real
-- U-Boot, real kernel. Each test has a machine, a drive and a card of its own.
--
--   local bench <close> = virtual.bench()      -- or virtual.bench("qemu-arm")
--   local result = bench:jflash("flash", { bench:random_image("a.xz", 1 << 20) })
local image = require("jflash.image")
local sys = require("jflash.sys")

local M = {}

local RUN_S = 600

---@class e2e.VirtualBench
local Bench = {}
Bench.__index = Bench

---@param board string|nil  the built-in board, by default qemu-arm64
---@return e2e.VirtualBench to be closed
function M.bench(board)
    board = board or "qemu-arm64"
    local dir = assert(sys.temp_dir("jflash-vb"))
    return setmetatable({
        board = board,
        bundle = M.bundle(board),
        dir = dir,
        drive = dir .. "/drive.img",
        card = dir .. "/card.img",
        path = os.getenv("PATH"),
        runs = 0,
    }, Bench)
end

--- A test with a machine of its own, closed whatever happens.
---   it("boots", virtual.test(function(bench) … end))
---@param body fun(bench: e2e.VirtualBench)
---@param board string|nil  as of M.bench
---@return fun()
function M.test(body, board)
    return function()
        local bench <close> = M.bench(board)
        body(bench)
    end
end

--- The program under test.
---@return string
function M.program()
    return assert(sys.realpath(os.getenv("JFLASH_PROGRAM") or "build/jflash"))
end

--- The options that choose this bench's machine.
---@return string[]
function Bench:board_options()
    return {
        "--board", self.board, "--set", "power.drive=" .. self.drive,
        "--set", "power.card=" .. self.card, "--set", "power.dir=" .. self.dir .. "/run",
        "--set", "bundle=" .. self.bundle,
    }
end

--- The bundle that ./dev bundle built.
---@param board string
---@return string
function M.bundle(board)
    local path = sys.realpath("build/bundles/" .. board)
    return assert(path, "the virtual board's bundle is missing: ./dev bundle " .. board)
end

local function command_line(self, arguments)
    local argv = { M.program() }
    table.move(arguments, 1, #arguments, 2, argv)
    table.move(self:board_options(), 1, #self:board_options(), #argv + 1, argv)
    return argv
end

local function environment(self)
    return { HOME = self.dir, XDG_STATE_HOME = self.dir .. "/state", XDG_CONFIG_HOME = self.dir,
        XDG_CACHE_HOME = self.dir .. "/cache", PATH = self.path }
end

--- Runs `jflash ARGUMENTS` with this bench's board, to its end.
---@param arguments string[]
---@return {status: integer, stdout: string, stderr: string}
function Bench:jflash(arguments)
    return assert(sys.run(command_line(self, arguments), {
        timeout_s = RUN_S,
        env = environment(self),
    }))
end

--- Runs `jflash COMMAND` with a file for its input.
---@param command string
---@param input string
function Bench:shell(command, input)
    local argv = { "sh", "-c", 'exec "$0" "$@" <' .. input }
    return assert(sys.run(table.move(command_line(self, { command }), 1, 100, 4, argv), {
        timeout_s = RUN_S,
        env = environment(self),
    }))
end

--- Where a terminal of tests/support/terminal.lua runs.
function Bench:place()
    return { dir = self.dir, env = environment(self) }
end

--- Starts `jflash ARGUMENTS` and returns the process; its stderr goes to a file.
---@param arguments string[]
---@return table process, string log
function Bench:start(arguments)
    self.runs = self.runs + 1
    local log = ("%s/log-%d"):format(self.dir, self.runs)
    local process = assert(sys.spawn(command_line(self, arguments), {
        env = environment(self), stdout = log, stderr = log,
    }))
    return process, log
end

--- Makes an image of random bytes.
---@param name string   compressed as its name ends: .xz, .zst, or not at all
---@param bytes integer
---@return string path, string sha256 of the bytes
function Bench:random_image(name, bytes)
    local raw = self.dir .. "/" .. name .. ".raw"
    local made = sys.run({ "sh", "-c", ("head -c %d /dev/urandom >'%s'"):format(bytes, raw) })
    assert(made.status == 0, made.stderr)
    local path = self.dir .. "/" .. name
    local tool = ({ xz = "xz -0 -T1 -c", zst = "zstd -q -1 -c" })[name:match("%.(%w+)$")] or "cat"
    made = sys.run({ "sh", "-c", ("%s '%s' >'%s'"):format(tool, raw, path) })
    assert(made.status == 0, made.stderr)
    return path, (image.sha256_file(raw))
end

--- The digest of a storage's first bytes, as this host sees them.
---@param path string
---@param bytes integer
---@return string
function M.digest_of(path, bytes)
    local result = sys.run({ "sh", "-c", ("head -c %d '%s' | sha256sum"):format(bytes, path) }, { timeout_s = 120 })
    return result.stdout:match("^%x+")
end

--- The processes that belong to this bench.
---@return string[]
function Bench:processes()
    local found = {}
    for _, name in ipairs(sys.list("/proc")) do
        local line = name:find("^%d+$") and table.concat(sys.process_cmdline(tonumber(name)) or {}, " ")
        if line and line:find(self.dir, 1, true) then
            table.insert(found, line)
        end
    end
    return found
end

--- Proves that a run flashed, as it says, and ended clean.
---@param result table   of Bench:jflash
---@param storage string the drive's or the card's file
---@param bytes integer
---@param digest string
function Bench:assert_flashed(result, storage, bytes, digest)
    assert(result.status == 0, result.stderr)
    assert(result.stderr:find("flashed and verified", 1, true), result.stderr)
    local equal = "digest read back sha256:" .. digest .. " (equal)"
    assert(result.stderr:find(equal, 1, true), result.stderr)
    assert(M.digest_of(storage, bytes) == digest, "the storage holds something else")
    assert(#self:processes() == 0, table.concat(self:processes(), "\n"))
end

function Bench:close()
    self:jflash({ "power", "off" })
    sys.remove_tree(self.dir)
end

function Bench:__close()
    self:close()
end

return M
