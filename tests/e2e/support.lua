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
local image = require("jflash.image")
local job = require("jflash.job")
local json = require("jflash.json")
local lock = require("jflash.lock")
local sim = require("tests.sim")
local sys = require("jflash.sys")

local M = {}

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

local function shell(command)
    local result = assert(sys.run({ "/bin/sh", "-c", command }, {
        timeout_s = 60, output_limit_bytes = 64 << 20,
    }))
    assert(result.status == 0, command .. ": " .. result.stderr)
    return result.stdout
end

M.shell = shell

--- Whether a command of these words runs.
---@param command string
---@return boolean
function M.runs(command)
    return shell(("pgrep -fx '%s' || :"):format(command:gsub("%.", "[.]"))) ~= ""
end

local function read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

local function write(path, bytes)
    local file <close> = assert(io.open(path, "wb"))
    assert(file:write(bytes))
end

M.read, M.write = read, write

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

local WAITING = [[
recipe:before(%q, function()
    io.open(%q, "w"):close()
    require("jflash.errors").check("host", require("jflash.job").sleep(30))
end)
]]

--- Changes of a recipe by which a step makes the file `marker` when it begins, and waits
--- until a signal comes.
---@param step string
---@param marker string
---@return string
function M.waiting_in(step, marker)
    return WAITING:format(step, marker)
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
-- What must hold afterwards

function Bench:tty_settings()
    return shell(("[ ! -e '%s' ] || stty -g -F '%s'"):format(self.board.console, self.board.console))
end

local function marked_processes(mark)
    return shell(("grep -lsz '^%s=%s' /proc/[0-9]*/environ || :"):format(MARK, mark))
end

-- Whether the run's lock can be taken.
local function assert_lock_free(self)
    local power = { identity = "command " .. self.config.power.on }
    local taken = lock.take(lock.board_name(self.config, power), { what = "the board" })
    taken:close()
end

-- The ports that the board was served from, as the kernel's tables write them.
local function served_ports(board)
    local ports = {}
    for _, entry in ipairs(board:log("connect")) do
        ports[("/proc/net/tcp :%04X 00000000:0000 0A"):format(entry.port)] = true
    end
    for _, line in ipairs(board:texts("uboot")) do
        local port = line:match("^setenv tftpdstp (%d+)")
        if port then
            ports[("/proc/net/udp :%04X 00000000:0000 07"):format(port)] = true
        end
    end
    return ports
end

local function assert_ports_free(board)
    for entry in pairs(served_ports(board)) do
        local path, row = entry:match("^(%S+) (.*)$")
        assert(not read(path):find(row, 1, true), "a port is left open: " .. entry)
    end
end

--- Raises when a run left anything behind.
function Bench:assert_nothing_left()
    assert_ports_free(self.board)
    local left = marked_processes(self.mark)
    if left ~= "" then
        local commands = shell(("for f in %s; do tr '\\0' ' ' <${f%%environ}cmdline; done"):format(
            left:gsub("\n", " ")))
        error("processes are left: " .. commands, 2)
    end
    assert_lock_free(self)
    local now = self:tty_settings()
    if now ~= "" and self.tty ~= "" and now ~= self.tty then
        error(("the console's settings changed:\n%s%s"):format(self.tty, now), 2)
    end
end

--- What the storage holds: "flashed" (the image, and behind it what was there
--- before), "untouched", or "something else".
---@param content string|nil
function Bench:storage_state(content)
    content = content or self.content
    local now = read(self.board.storage)
    if now == self.before then
        return "untouched"
    elseif now == content .. self.before:sub(#content + 1) then
        return "flashed"
    end
    return "something else"
end

local function fail(result, message, ...)
    error(("%s\n-- status %s, stderr:\n%s"):format(message:format(...), result.status, result.stderr), 4)
end

local function assert_says(result, texts, text_in, what)
    for _, text in ipairs(type(texts) == "table" and texts or { texts }) do
        if not text_in:find(text, 1, true) then
            fail(result, "%s does not say %q", what, text)
        end
    end
end

-- The error as a person reads it.
local function parse_failure(stderr)
    local title, message = stderr:match("\njflash: ([%l ]+): ([^\n]*)")
    if not title then
        title, message = stderr:match("\njflash: ([%l ]+ in step [%l_]+): ([^\n]*)")
    end
    local step = title and title:match(" in step ([%l_]+)$")
    return {
        title = title and title:gsub(" in step [%l_]+$", ""), step = step, message = message or "",
        console = stderr:match("the console's last lines:\n(.-)\n  %l") or stderr:match(
            "the console's last lines:\n(.*)") or "",
        hint = stderr:match("\n  hint: (.*)") or "",
    }
end

local TITLES = {
    [1] = "error", [2] = "configuration error", [3] = "the source cannot be had",
    [4] = "error on this host", [5] = "the board failed", [6] = "the image is refused",
    [129] = "cancelled", [130] = "cancelled", [143] = "cancelled",
}

--- Compares a result with what is expected:
---   status   the exit status; the error's title follows from it
---   step     the step named in the error
---   says     texts of stderr;  message, console, hint: of these parts of the error
---   silent   the board said nothing, so there is nothing to show
---   never    texts that stderr must not have
---   power    the board's state afterwards ("off"), false: do not look
---   cycles   how often the board was switched on
---   storage  see storage_state
---@param result table
---@param wanted table
---@return table failure  the error's parts
function Bench:assert_result(result, wanted)
    local failure = parse_failure("\n" .. result.stderr)
    if result.status ~= wanted.status or result.signal then
        fail(result, "status %s expected (signal %s)", wanted.status, tostring(result.signal))
    end
    if TITLES[wanted.status] ~= failure.title then
        fail(result, "title %q expected, got %q", tostring(TITLES[wanted.status]), tostring(failure.title))
    end
    if wanted.step and failure.step ~= wanted.step then
        fail(result, "step %s expected, got %s", wanted.step, tostring(failure.step))
    end
    if wanted.status == 5 and failure.console == "" and not wanted.silent then
        fail(result, "the error shows nothing of the console")
    end
    assert_says(result, wanted.says or {}, result.stderr, "stderr")
    for _, part in ipairs({ "message", "console", "hint" }) do
        assert_says(result, wanted[part] or {}, failure[part], "the error's " .. part)
    end
    for _, text in ipairs(wanted.never or {}) do
        if result.stderr:find(text, 1, true) then
            fail(result, "stderr says %q", text)
        end
    end
    if wanted.status ~= 0 and result.stderr:find("flashed and verified", 1, true) then
        fail(result, "a run that failed claims to have flashed")
    end
    self:assert_board(result, wanted)
    self:assert_nothing_left()
    return failure
end

function Bench:assert_board(result, wanted)
    if wanted.power ~= false and self.board:state() ~= (wanted.power or "off") then
        fail(result, "power is %s", self.board:state())
    end
    local cycles = 0
    for _, text in ipairs(self.board:texts("power")) do
        cycles = cycles + (text == "on" and 1 or 0)
    end
    if wanted.cycles and cycles ~= wanted.cycles then
        fail(result, "switched on %d times, not %d", cycles, wanted.cycles)
    end
    local state = wanted.storage and self:storage_state()
    if wanted.storage and state ~= wanted.storage then
        fail(result, "the storage is %s, not %s", state, wanted.storage)
    end
end

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

--- Ends what is left of a bench, whatever happened.
function Bench:close()
    if self.closed then
        return
    end
    self.closed = true
    for pid in marked_processes(self.mark):gmatch("/proc/(%d+)/") do
        sys.kill(math.tointeger(pid), 9)
    end
    self.board:close()
    assert(sys.remove_tree(self.dir))
end

Bench.__close = Bench.close

M.sha256 = image.sha256

return M
