-- SPDX-License-Identifier: Apache-2.0
--
-- Lua at a prompt, with the board as `dut`. An expression's value is printed, a
-- statement may go over several lines. On a terminal there is editing, completion
-- and a history, and Ctrl-C ends what runs but not the conversation; off a terminal
-- the input is a script, which ends with its first error.

local complete = require("jflash.complete")
local errors = require("jflash.errors")
local job = require("jflash.job")
local line_edit = require("jflash.line_edit")
local log = require("jflash.log")
local pretty = require("jflash.pretty")
local sys = require("jflash.sys")
local xdg = require("jflash.xdg")

local M = {}

local SIGINT = 2
local HISTORY_LINES = 1000
-- A person may think for long.
local INPUT_WAIT_S = 30 * 24 * 3600

local HELP = [[
dut                        the board: dut.console, dut.power, dut.uboot, dut.shell, dut.board
dut:bootloader_shell()     to U-Boot's prompt; then dut.uboot:run("version")
dut:busybox_shell()        to the flasher's shell; then dut.shell:run("uname -a")
dut:flash("disk.img.xz")   the whole job
dut:power_on(), dut:power_off(), dut:power_cycle()
dut:attach()               a live terminal; Ctrl-] opens its menu
Tab completes, Ctrl-C ends what runs, Ctrl-D leaves. docs/lua-api.md has the rest.]]

---@class jflash.Repl
---@field environment table  the globals of what is typed
local Repl = {}
Repl.__index = Repl

---@param dut jflash.Dut
---@return jflash.Repl
function M.new(dut)
    local function help()
        sys.write(1, HELP .. "\n")
    end
    local environment = setmetatable({ dut = dut, help = help }, { __index = _G })
    return setmetatable({ dut = dut, environment = environment }, Repl)
end

------------------------------------------------------------------------------
-- Evaluation

-- A chunk; or nil, a message, and whether more lines would help.
local function compile(self, text)
    local chunk = load("return " .. text:gsub("^%s*=", "", 1), "=input", "t", self.environment)
    if chunk then
        return chunk
    end
    local message
    chunk, message = load(text, "=input", "t", self.environment)
    return chunk, message, message ~= nil and message:find("<eof>$") ~= nil
end

local function print_values(values)
    if values.n == 0 then
        return
    end
    local texts = {}
    for index = 1, values.n do
        texts[index] = pretty.text(values[index])
    end
    local text = table.concat(texts, "\t")
    errors.check("host", sys.write(1, text:sub(-1) == "\n" and text or text .. "\n"))
end

-- A mistake in what was typed: where in it, not through which parts of ours it came.
local function own_trace(failure)
    local lines = {}
    for line in (failure.traceback or ""):gmatch("[^\n]+") do
        if line:find("^%s+input:") then
            table.insert(lines, (line:gsub("^%s+", "")))
        end
    end
    return lines[1] and table.concat(lines, "\n")
end

local function print_failure(failure)
    local lines = errors.details(failure, own_trace(failure))
    local class = failure.class == "bug" and "error" or failure.class
    table.insert(lines, 1, ("%s: %s"):format(class, failure.message))
    log.raw(table.concat(lines, "\n") .. "\n")
end

local function call(self, chunk)
    local values = table.pack(chunk())
    self.environment._ = values[1]
    print_values(values)
end

-- Evaluates on a terminal: what goes wrong is shown.
local function evaluate(self, chunk)
    local ok, failure = xpcall(call, errors.wrap, self, chunk)
    log.step(nil)
    errors.check("host", job.check())
    if not ok then
        print_failure(failure)
    end
end

------------------------------------------------------------------------------
-- Input

-- What was typed earlier, as far as there is a place for it.
local function load_history(editor)
    local folder = xdg.folder("state")
    local path = folder and folder .. "/history"
    local text = path and sys.read_file(path) or ""
    local lines = {}
    for line in text:gmatch("[^\n]+") do
        table.insert(lines, line)
    end
    for index = math.max(1, #lines - HISTORY_LINES + 1), #lines do
        editor:remember(lines[index])
    end
    return path, lines
end

local function save_history(path, lines)
    local kept = table.move(lines, math.max(1, #lines - HISTORY_LINES + 1), #lines, 1, {})
    sys.mkdir(path:match("^(.*)/"), { parents = true })
    sys.write_file(path, job.redact(table.concat(kept, "\n") .. "\n"))
end

-- A reader of lines with editing; nil where there is no terminal, or no libedit.
local function editing_reader(self)
    local editor, message, code = line_edit.open({
        complete = function(line) return complete.complete(self.environment, line) end,
    })
    if not editor then
        if sys.isatty(0) and code == "unsupported" then
            log.info("%s: lines cannot be edited", message)
        end
        return nil
    end
    local path, lines = load_history(editor)
    local function read(prompt)
        local line, why, how = editor:read(prompt)
        if line and line:find("%S") and line ~= lines[#lines] then
            table.insert(lines, line)
            editor:remember(line)
        end
        return line, why, how
    end
    return read, function()
        editor:close()
        if path then
            save_history(path, lines)
        end
    end
end

local function plain_reader()
    local is_terminal = sys.isatty(0)
    local function read(prompt)
        if is_terminal then
            sys.write(1, prompt)
        end
        return sys.read_line(0, { timeout_s = INPUT_WAIT_S })
    end
    return read, function() end
end

-- The next complete chunk and nil; or nil and a message; or nothing at the end.
local function next_chunk(self, read, name)
    local text, prompt = nil, name .. "> "
    local chunk, mistake, is_incomplete
    while true do
        local line, message, code = read(prompt)
        if not line and code == "closed" then
            return nil, mistake
        elseif not line then
            errors.check("host", nil, message, code)
        end
        text = text and text .. "\n" .. line or line
        chunk, mistake, is_incomplete = compile(self, text)
        if chunk or not is_incomplete then
            return chunk, mistake
        end
        prompt = (" "):rep(#name) .. "| "
    end
end

-- One question and its answer; false at the end.
local function turn(self, read)
    local chunk, mistake = next_chunk(self, read, self.dut.name)
    if chunk then
        evaluate(self, chunk)
    elseif mistake then
        log.raw("error: " .. mistake .. "\n")
    end
    return chunk ~= nil or mistake ~= nil
end

-- A Ctrl-C is for what runs, or is typed; every other signal for the whole program.
local function end_interrupt(failure)
    local signal_number = job.cancelled()
    if failure.class ~= "cancelled" or (signal_number and signal_number ~= SIGINT) then
        error(failure, 0)
    end
    job.reset()
    log.raw("^C interrupted\n")
end

--- Converses on the terminal until Ctrl-D.
function Repl:converse()
    local read, finish = editing_reader(self)
    if not read then
        read, finish = plain_reader()
    end
    local _ <close> = setmetatable({}, { __close = finish })
    local goes_on = true
    while goes_on do
        local ok, result = xpcall(turn, errors.wrap, self, read)
        goes_on = not ok or result
        if not ok then
            end_interrupt(result)
        end
    end
    log.raw("\n")
end

--- Runs what stands on standard input; raises the first error.
function Repl:run_input()
    local read = plain_reader()
    while true do
        local chunk, mistake = next_chunk(self, read, self.dut.name)
        if mistake then
            errors.raise({ class = "bug", code = "syntax", message = mistake })
        elseif not chunk then
            return
        end
        call(self, chunk)
    end
end

return M
