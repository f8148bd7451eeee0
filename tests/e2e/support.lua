-- SPDX-License-Identifier: Apache-2.0
--
-- A test bench for whole runs of the jflash program against the scripted board:
-- a folder of its own, a board, images, and the program as a child process.
--
--   local bench <close> = support.bench({ dialect = "keyed" })
--   local result = bench:flash({ bench:image("disk.img.xz") })
--   bench:assert_result(result, { status = 0, says = "flashed and verified" })
--
-- assert_result also proves what holds after every run: the power's state, and
-- that no process, port, lock or tty setting is left.
local files = require("tests.support.files")
local image = require("jflash.image")
local job = require("jflash.job")
local json = require("jflash.json")
local outcome = require("tests.e2e.outcome")
local sim = require("tests.sim")
local sys = require("jflash.sys")

local M = {}

local shell, read, write = files.shell, files.read, files.write

local MARK = "JFLASH_TEST_MARK"
-- Odd on purpose: no multiple of 512, and larger than one block of the writer.
local IMAGE_BYTES = (4 << 20) + 700000 + 77
local STORAGE_BYTES = 6 << 20
local PATTERN = "what was there before\n"
local SIGKILL = 9
-- Past a step's deadline a run may take this long.
local SLACK_S = 30

local COMPRESSORS = {
    xz = "xz -0 -T1", gz = "gzip -1", bz2 = "bzip2 -1", zst = "zstd -q -1", lz4 = "lz4 -q -1",
}

M.shell, M.read, M.write = shell, read, write

--- Whether a command of these words runs.
---@param command string
---@return boolean
function M.runs(command)
    return shell(("pgrep -fx '%s' || :"):format(command:gsub("%.", "[.]"))) ~= ""
end

--- How many of the texts hold `wanted`.
---@param texts string[]
---@param wanted string
---@return integer
function M.count(texts, wanted)
    local found = 0
    for _, text in ipairs(texts) do
        found = found + (text:find(wanted, 1, true) and 1 or 0)
    end
    return found
end

function M.program()
    local path = os.getenv("JFLASH_PROGRAM") or "build/asan/jflash"
    return assert(sys.realpath(path))
end

-- In changes of a configuration: the key is removed.
M.NONE = {}

--- Deep copy of `base` with what `changes` says.
local function merged(base, changes)
    local copy = {}
    for key, value in pairs(base) do
        copy[key] = type(value) == "table" and merged(value, {}) or value
    end
    for key, value in pairs(changes) do
        if value == M.NONE then
            copy[key] = nil
        elseif type(value) == "table" and type(copy[key]) == "table" then
            copy[key] = merged(copy[key], value)
        else
            copy[key] = value
        end
    end
    return copy
end

--- `length` bytes that are neither zero nor all alike.
---@param length integer
---@return string
function M.bytes(length)
    local block = {}
    for index = 1, 4096 do
        block[index] = ("%08x"):format(math.random(0, 0xFFFFFFFF))
    end
    block = table.concat(block)
    return (block:rep(length // #block + 1)):sub(1, length)
end

------------------------------------------------------------------------------
-- The bench

---@class e2e.Bench
---@field board sim.Board
---@field dir string
---@field config table    the board's configuration; change it before a run
---@field content string  what the image decodes to
local Bench = {}
for name, method in pairs(outcome) do
    Bench[name] = method
end
Bench.__index = Bench

-- Short, so that a fault costs a test seconds and not a minute; long enough for a host
-- that does much else at the same time.
local QUICK = {
    retries = 0,
    uboot = { interrupt_timeout_s = 4, command_timeout_s = 5, dhcp_timeout_s = 5, dhcp_tries = 1,
        load_timeout_s = 10 },
    timeouts = { boot_s = 5, login_s = 4, command_s = 8, network_s = 8, write_stall_s = 4,
        verify_stall_s = 4, preflash_s = 8, sync_s = 10, power_off_wait_s = 0 },
}

--- Starts a board, switched off, whose storage holds a pattern.
---@param options table|nil  of the scripted board (tests/sim/README.md)
---@param config table|nil   changes to the board's configuration
---@return e2e.Bench to be closed
function M.bench(options, config)
    options = merged({ storage_bytes = STORAGE_BYTES }, options or {})
    -- The board first: one that does not start leaves no folder behind.
    local board = sim.start(options)
    local self = setmetatable({
        board = board, dir = assert(sys.temp_dir()), mark = sys.random_hex(8),
    }, Bench)
    local size = assert(sys.stat(self.board.storage)).size
    self.before = (PATTERN:rep(size // #PATTERN + 1)):sub(1, size)
    write(self.board.storage, self.before)
    self.config = merged(merged(self.board:config(), QUICK), config or {})
    self.config.power.state = self.config.power.state or ("cat '%s/state'"):format(self.board.dir)
    self.content = M.bytes(IMAGE_BYTES)
    self.tty = self:tty_settings()
    return self
end

function Bench:path(name)
    return self.dir .. "/" .. name
end

--- Makes an image of `content` (default: the bench's), compressed as its name ends.
---@param name string    "disk.img", "disk.img.xz", …
---@param content string|nil
---@return string path
function Bench:image(name, content)
    local path = self:path(name)
    local compressor = COMPRESSORS[name:match("%.(%w+)$")]
    write(path, content or self.content)
    if compressor then
        shell(("%s -c <'%s' >'%s.new' && mv '%s.new' '%s'"):format(compressor, path, path, path, path))
    end
    return path
end

--- Gives the board's bundle a preflash command.
---@param command string
function Bench:preflash(command)
    local path = self.board.bundle .. "/manifest.yaml"
    write(path, (read(path):gsub("preflash_commands: %[%]", function()
        return ("preflash_commands: [%q]"):format(command)
    end)))
end

--- Lets the power-off hang, in a command whose words no other one has.
---@return string command
function Bench:hang_at_power_off()
    local command = ("sleep 60.%06d"):format(math.random(0, 999999))
    self.config.power.off, self.config.power.cycle, self.config.power.state = command, self.config.power.on, nil
    return command
end

--- How often a worker was started on the board: each write and each reading back is one.
function Bench:workers()
    return M.count(self.board:texts("shell"), "jflash/script </dev/null")
end

function Bench:write_config()
    local path = self:path("jflash.yaml")
    write(path, json.encode({ boards = { sim = self.config } }))
    shell("chmod 600 " .. path)
    return path
end

------------------------------------------------------------------------------
-- Runs

---@class e2e.Run
local Run = {}
Run.__index = Run

-- Nothing of the person who runs the tests.
local function environment(self)
    return { [MARK] = self.mark, HOME = self.dir, XDG_STATE_HOME = false, XDG_CONFIG_HOME = false,
        XDG_RUNTIME_DIR = false, XDG_CACHE_HOME = false, JFLASH_PATH = false }
end

--- Where a terminal of tests/support/terminal.lua runs.
function Bench:place()
    return { dir = self.dir, env = environment(self) }
end

--- Starts jflash with these arguments.
---@param args string[]
---@param options {stdin: string|nil, env: table|nil, within: string|nil}|nil  a file or fifo for
---  standard input; changes to the environment; words that the program's command is put behind
---@return e2e.Run
function Bench:start(args, options)
    self:write_config()
    self.runs = (self.runs or 0) + 1
    local base = self:path("run" .. self.runs)
    options = options or {}
    local command = ("exec %s \"$0\" \"$@\" <%s"):format(options.within or "", options.stdin or "/dev/null")
    local argv = { "/bin/sh", "-c", command, M.program(), table.unpack(args) }
    local process = assert(sys.spawn(argv, {
        cwd = self.dir, stdout = base .. ".out", stderr = base .. ".err",
        env = merged(environment(self), options.env or {}),
    }))
    local run = setmetatable({ bench = self, process = process, base = base, started = job.now() }, Run)
    return run
end

--- Waits for a run's end. One that does not end is killed, and the test fails.
---@param timeout_s number|nil
---@return {status: integer, signal: integer|nil, stdout: string, stderr: string, elapsed_s: number}
function Run:wait(timeout_s)
    local ended = self.process:wait({ timeout_s = timeout_s or 60 })
    if not ended then
        self.process:kill(9)
        error("jflash did not end in time; it said:\n" .. read(self.base .. ".err"), 2)
    end
    self.process:close()
    if ended.signal == SIGKILL then
        -- Nobody was left to put them back.
        self.bench.tty = self.bench:tty_settings()
    end
    return {
        status = ended.status, signal = ended.signal, elapsed_s = job.now() - self.started,
        stdout = read(self.base .. ".out"), stderr = read(self.base .. ".err"),
    }
end

function Run:pid()
    return self.process:pid()
end

function Run:stderr()
    return read(self.base .. ".err")
end

---@param signal_number integer
function Run:kill(signal_number)
    assert(self.process:kill(signal_number))
end

--- Waits until `is_so()` is true; fails with what the run said.
---@param what string
---@param is_so fun(): any
---@param timeout_s number|nil
function Run:wait_until(what, is_so, timeout_s)
    local deadline = job.now() + (timeout_s or 30)
    repeat
        local value = is_so()
        if value then
            return value
        end
        if not self.process:alive() or job.now() > deadline then
            error(("%s: not seen; jflash said:\n%s"):format(what, self:stderr()), 2)
        end
    until not job.sleep(0.01)
end

--- Waits until the run's log says a text.
---@param text string
function Run:wait_said(text, timeout_s)
    self:wait_until(text, function()
        return self:stderr():find(text, 1, true)
    end, timeout_s)
end

--- Runs jflash to its end.
---@param args string[]
---@param options {timeout_s: number|nil, stdin: string|nil}|nil
function Bench:jflash(args, options)
    return self:start(args, options):wait((options or {}).timeout_s)
end

local function flash_args(args)
    return { "flash", "--board", "sim", table.unpack(args) }
end

--- Starts `jflash flash --board sim …`.
function Bench:start_flash(args, options)
    return self:start(flash_args(args), options)
end

-- No longer than any test waits: a run whose test is gone must end as well.
local WAITING = [[
recipe:before(%q, function()
    local job = require("jflash.job")
    local deadline = job.now() + 90
    io.open(%q, "w"):close()
    repeat
        assert(job.now() < deadline, "nobody lets the step go on")
        require("jflash.errors").check("host", job.sleep(0.02))
    until io.open(%q)
end)
]]

--- Changes of a recipe by which a step makes the file `marker` when it begins, and waits
--- until a signal comes, or the file `go` is there.
---@param step string
---@param marker string
---@param go string|nil
---@return string
function M.waiting_in(step, marker, go)
    return WAITING:format(step, marker, go or marker .. ".never")
end

--- Starts the stock recipe with `changes`, Lua code in which it is `recipe`.
---@param changes string
function Bench:start_recipe(changes, args, options)
    local path = self:path("recipe.lua")
    write(path, 'local recipe = require("jflash.recipe.flash"):derive()\n' .. changes .. "\nreturn recipe\n")
    return self:start({ "run", path, "--board", "sim", table.unpack(args) }, options)
end

function Bench:run_recipe(changes, args, options)
    return self:start_recipe(changes, args, options):wait((options or {}).timeout_s)
end

--- Runs `jflash flash --board sim …` to its end.
function Bench:flash(args, options)
    return self:jflash(flash_args(args), options)
end

------------------------------------------------------------------------------
-- Tables of faults

--- For a row's `prepare`: gives the bundle a preflash command.
---@param command string
---@return fun(bench: e2e.Bench)
function M.preflash(command)
    return function(bench)
        bench:preflash(command)
    end
end

--- One row of a table of faults: bench, image, run, assertions.
---   options, config  see M.bench;  image: the name, made of `content`
---   prepare(bench)   returns the image's path, and does what else is needed
---   args             further arguments
---   within_s         the step's deadline
---@param row table
function M.check(row)
    local bench <close> = M.bench(row.options, row.config)
    bench.content = row.content or bench.content
    local path = row.prepare and row.prepare(bench) or bench:image(row.image or "disk.img")
    local args = table.move(row.args or {}, 1, #(row.args or {}), 2, { path })
    local result = bench:flash(args, { timeout_s = (row.within_s or 15) + SLACK_S })
    local failure = bench:assert_result(result, row)
    if row.also then
        row.also(bench, result, failure)
    end
end

--- Describes each row of a table as a test.
---@param rows table[]  `name` and what M.check takes
---@param it fun(name: string, test: fun())
function M.rows(rows, it)
    for _, row in ipairs(rows) do
        it(row.name, function()
            M.check(row)
        end)
    end
end

--- The processes that runs of this bench have started, and that still are: their files
--- /proc/PID/environ, a line each.
---@return string
function Bench:processes()
    return shell(("grep -lsz '^%s=%s' /proc/[0-9]*/environ || :"):format(MARK, self.mark))
end

--- Ends what is left of a bench, whatever happened.
function Bench:close()
    if self.closed then
        return
    end
    self.closed = true
    for pid in self:processes():gmatch("/proc/(%d+)/") do
        sys.kill(math.tointeger(pid), 9)
    end
    self.board:close()
    assert(sys.remove_tree(self.dir))
end

Bench.__close = Bench.close

M.sha256 = image.sha256

return M
