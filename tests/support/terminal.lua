-- SPDX-License-Identifier: Apache-2.0
--
-- A person at a terminal: jflash runs on a pty of its own, as in a window, and the
-- test holds the other end.
--
--   local terminal <close> = terminals.start(bench, { "console", "--board", "sim" })
--   terminal:see("=> ")
--   terminal:type("version\r")
--   assert.equal(0, terminal:status())
local consoles = require("jflash.console")
local job = require("jflash.job")
local sys = require("jflash.sys")

local M = {}

local SEE_S = 30

---@class tests.Terminal
---@field path string  of the test's end
---@field shown string|nil  once it is closed: what it has shown
local Terminal = {}
Terminal.__index = Terminal

--- Waits until `is_so()` is true; fails with `what` when that takes too long.
---@generic T
---@param what string
---@param is_so fun(): T?
---@return T
function M.wait_for(what, is_so)
    local deadline = job.now() + SEE_S
    repeat
        local value = is_so()
        if value then
            return value
        end
        assert(job.now() < deadline, what)
    until not job.sleep(0.01)
end

--- Starts `jflash ARGS` on a terminal of its own.
---@param place {dir: string, env: table<string, any>}  its folder and environment
---@param args string[]
---@param size {columns: integer, rows: integer}|nil
---@return tests.Terminal to be closed
function M.start(place, args, size)
    local program = sys.realpath(os.getenv("JFLASH_PROGRAM") or "build/asan/jflash")
    local path, script = place.dir .. "/terminal", place.dir .. "/terminal.sh"
    local quoted = {}
    for index, argument in ipairs(args) do
        quoted[index] = "'" .. argument:gsub("'", [['\'']]) .. "'"
    end
    size = size or { columns = 80, rows = 24 }
    assert(sys.write_file(script, ("trap : INT\ntty >%s.tty\nstty cols %d rows %d\nstty -g >%s.before\n%s %s\n"
        .. "echo $? >%s.status.new\nstty -g >%s.after\nmv %s.status.new %s.status\n"):format(path,
        size.columns, size.rows, path, program, table.concat(quoted, " "), path, path, path, path)))
    sys.remove(path .. ".status")
    sys.remove(path)
    local process = assert(sys.spawn({ "socat", ("PTY,link=%s,raw,echo=0,wait-slave"):format(path),
        ("EXEC:'sh %s',pty,setsid,ctty,stderr"):format(script) }, { cwd = place.dir, env = place.env }))
    M.wait_for("socat made no terminal", function() return sys.stat(path) end)
    local self = setmetatable({ path = path, process = process, program = program }, Terminal)
    self.screen = assert(consoles.open(path))
    return self
end

--- Waits until the terminal shows a text; returns what came before it.
---@param text string  a pattern, as for console:expect
---@return string before
function Terminal:see(text, timeout_s)
    local match = self.screen:expect(text, { timeout_s = timeout_s or SEE_S })
    if not match then
        error(("not seen: %s\nthe terminal shows:\n%s"):format(text, self.screen:tail(30000)), 2)
    end
    return match.before
end

---@param keys string
function Terminal:type(keys)
    assert(self.screen:send(keys))
end

--- What it has shown, without control sequences.
---@return string
function Terminal:text()
    return self.shown or self.screen:tail(100000)
end

--- Fails, showing the terminal, unless the program ends with a status.
---@param wanted integer
function Terminal:ends_with(wanted)
    local status = self:status()
    if status ~= wanted then
        error(("status %d expected, got %d; the terminal showed:\n%s"):format(wanted, status, self.shown), 2)
    end
end

local function read(path)
    local file = io.open(path, "rb")
    if not file then
        return nil
    end
    local text = file:read("a")
    file:close()
    return text
end

--- Changes the window's size, which the program hears of.
function Terminal:resize(columns, rows)
    local tty = read(self.path .. ".tty"):gsub("%s", "")
    assert(sys.run({ "stty", "-F", tty, "cols", tostring(columns), "rows", tostring(rows) }).status == 0)
end

--- The process number of jflash.
function Terminal:pid()
    local tty = read(self.path .. ".tty"):gsub("^/dev/", ""):gsub("%s", "")
    return M.wait_for("jflash does not run", function()
        local found = sys.run({ "pgrep", "-t", tty, "jflash" })
        return math.tointeger(tonumber(found.stdout:match("%d+")))
    end)
end

--- Waits for the end, closes the window, and returns the exit status. The terminal's
--- modes must be what they were.
---@return integer
function Terminal:status()
    local ok, status = pcall(M.wait_for, "jflash did not end", function()
        return read(self.path .. ".status")
    end)
    if not ok then
        error(status .. "; the terminal shows:\n" .. self.screen:tail(3000), 2)
    end
    assert(read(self.path .. ".before") == read(self.path .. ".after"),
        "the terminal's modes are not what they were")
    self:close()
    return math.tointeger(tonumber(status))
end

--- Closes the window, as a person does.
function Terminal:close()
    if self.shown then
        return
    end
    self.shown = self:text()
    self.screen:close()
    self.process:close()
end

Terminal.__close = Terminal.close

return M
