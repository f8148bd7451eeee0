-- SPDX-License-Identifier: Apache-2.0
--
-- Whole runs of the jflash program against the virtual board: real QEMU, real
-- U-Boot, real kernel. Each test has a machine, a drive and a card of its own.
--
--   local bench <close> = virtual.bench()
--   local result = bench:jflash("flash", { bench:random_image("a.xz", 1 << 20) })
local image = require("jflash.image")
local sys = require("jflash.sys")

local M = {}

local RUN_S = 600

---@class e2e.VirtualBench
local Bench = {}
Bench.__index = Bench

---@return e2e.VirtualBench to be closed
function M.bench()
    local dir = assert(sys.temp_dir("jflash-vb"))
    return setmetatable({
        dir = dir,
        drive = dir .. "/drive.img",
        card = dir .. "/card.img",
        runs = 0,
    }, Bench)
end

local function program()
    return assert(sys.realpath(os.getenv("JFLASH_PROGRAM") or "build/jflash"))
end

--- The options that choose this bench's machine.
---@return string[]
function Bench:board_options()
    return {
        "--board", "qemu-arm64", "--set", "power.drive=" .. self.drive,
        "--set", "power.card=" .. self.card, "--set", "power.dir=" .. self.dir .. "/run",
        "--set", "bundle=" .. M.bundle(),
    }
end

--- The bundle that ./dev bundle built.
---@return string
function M.bundle()
    local path = sys.realpath("build/bundles/qemu-arm64")
    return assert(path, "the virtual board's bundle is missing: ./dev bundle qemu-arm64")
end

local function command_line(self, arguments)
    local argv = { program() }
    table.move(arguments, 1, #arguments, 2, argv)
    table.move(self:board_options(), 1, #self:board_options(), #argv + 1, argv)
    return argv
end

local function environment(self)
    return { HOME = self.dir, XDG_STATE_HOME = self.dir .. "/state", XDG_CONFIG_HOME = self.dir }
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

function Bench:close()
    self:jflash({ "power", "off" })
    sys.remove_tree(self.dir)
end

function Bench:__close()
    self:close()
end

return M
