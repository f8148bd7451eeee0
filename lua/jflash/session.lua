-- SPDX-License-Identifier: Apache-2.0
--
-- A shell of the board for scripts and for people: U-Boot's prompt, or the
-- flasher's. A board is brought there by a recipe.
--
--     local sh <close> = dut:busybox_shell()
--     print((sh:run("uname -a")))
--
-- Commands are framed (`run`, `frame`), so their output and status are their own.
-- `send`, `expect` and `before` are for what talks back. No failure pattern is armed
-- in `expect`: a person's session may print what it likes.

local choice = require("jflash.recipe.choice")
local errors = require("jflash.errors")
local live = require("jflash.live")
local shells = require("jflash.shell")
local sys = require("jflash.sys")

local M = {}

local CTRL_C = "\3"
-- Long enough for what a person may want to wait for.
local COMMAND_S = 3600
-- How much of the console's last text is looked through for its prompt.
local PROMPT_BYTES = 600
-- A message of the kernel, which may come behind a prompt at any time.
local KERNEL_LINE = "%[ *%d+%.%d+%] [^\n]*\n?"

---@class jflash.Session
---@field before string|nil  what came before the last match of expect
---@field private dut jflash.Dut
---@field private kind "bootloader"|"busybox"
local Session = {}
Session.__index = Session

local function framed(self)
    if self.closed then
        errors.raise({ class = "bug", code = "bug", message = "the shell is closed" })
    end
    return self.kind == "busybox" and self.dut.shell or self.dut.uboot
end

--- Types raw text: a line needs its "\n" ("\r" at U-Boot).
---@param text string
---@param options {cps: number|nil, timeout_s: number|nil}|nil
function Session:send(text, options)
    framed(self)
    self.dut.console:send(text, options)
end

--- Waits for the earliest of several patterns; see dut.console:expect.
---@param patterns string|string[]
---@param options {timeout_s: number|nil, fail: string[]|nil, hint: string|nil}|nil
---@return {index: integer, text: string, before: string, captures: string[]}
function Session:expect(patterns, options)
    framed(self)
    options = options or {}
    local match = self.dut.console:expect(patterns, {
        timeout_s = options.timeout_s, fail = options.fail or {}, hint = options.hint,
    })
    self.before = match.before
    return match
end

--- Runs a command; raises, class board, unless its status is 0.
---@param command string
---@param options {timeout_s: number|nil, hint: string|nil}|nil
---@return string output
function Session:run(command, options)
    return (framed(self):run(command, options))
end

--- Runs a command; returns its output and status. A U-Boot that does not tell a
--- status gives nil.
---@param command string
---@param options {timeout_s: number|nil, on_text: nil|fun(text: string)}|nil
---@return string output
---@return integer|nil status
function Session:frame(command, options)
    return framed(self):frame(command, options)
end

------------------------------------------------------------------------------
-- For people

-- Whether the shell waits for a line of which nothing was typed yet.
local function is_at_prompt(dut)
    local prompt = dut.shell.login_config.prompt:gsub("%s+$", "")
    local tail = dut.console:tail(PROMPT_BYTES):gsub(KERNEL_LINE, ""):gsub("%s+$", "")
    return prompt:sub(1, 3) ~= "re:" and prompt ~= "" and tail:sub(-#prompt) == prompt
end

local function size_command(columns, rows)
    return ("stty cols %d rows %d"):format(columns, rows)
end

-- A program in the foreground would take the line for its own input.
local function tell_size(dut)
    return function(columns, rows)
        if not dut.shell or not columns or not is_at_prompt(dut) then
            return false
        end
        dut.console:send(size_command(columns, rows) .. "\n")
        return true
    end
end

-- Undoes what framed commands need: no echo, no kernel messages, long lines.
local function make_interactive(dut)
    local columns, rows = sys.terminal_size(0)
    -- A getty whose login ended in a line feed leaves the Return key without meaning.
    dut.shell:run(("stty sane; %s; dmesg -n 7 || :"):format(size_command(columns or 80, rows or 24)))
end

--- A live terminal in this shell; see jflash.live.
---@return string why  "quit", "closed" or "eof"
function Session:attach()
    local dut = self.dut
    framed(self)
    if self.kind == "bootloader" then
        return live.run(dut, { greet = CTRL_C })
    end
    make_interactive(dut)
    dut.console:phase("quiet")
    return live.run(dut, { greet = "\n", tell_size = tell_size(dut) })
end

-- U-Boot prints little and quickly.
local function bootloader_command(self, command, options)
    local output, status = self:frame(command, { timeout_s = options.timeout_s })
    options.on_text(output)
    return status or (self.dut.uboot:complaint(output) and 1 or 0)
end

-- A command as a line that can be typed, and that leaves this shell alive whatever is
-- in it. What is long, or several lines, goes over as a script.
local function typeable(shell, http, command)
    local line = ("(eval %s)"):format(shells.quote(command))
    if #shells.quote(line) <= shells.LONGEST_LINE and not command:find("\n") then
        return line
    end
    local path = "/tmp/jflash-" .. sys.random_hex(4)
    shell:put(http, command .. "\n", path)
    return ("(trap 'rm -f %s' EXIT; sh %s </dev/null)"):format(path, path)
end

--- Runs one command; its output goes to `on_text` as it comes.
---@param command string  in the flasher also a script of several lines
---@param options {timeout_s: number|nil, on_text: fun(text: string)}
---@return integer status
function Session:stream(command, options)
    local timeout_s = options.timeout_s or COMMAND_S
    if self.kind == "bootloader" then
        return bootloader_command(self, command, { timeout_s = timeout_s, on_text = options.on_text })
    end
    local typed = typeable(framed(self), self.dut.http, command)
    return select(2, self:frame(typed, { timeout_s = timeout_s, on_text = options.on_text }))
end

--- Gives up TFTP's port. The board stays as it is: its power belongs to the dut.
function Session:close()
    if not self.closed and self.dut.tftp then
        self.dut.tftp:close()
    end
    self.closed = true
end

Session.__close = Session.close

------------------------------------------------------------------------------

--- The recipe of a shell: the stock one, over the board's.
---@param kind "bootloader"|"busybox"
---@param board table
---@param options table  of the dut
---@return jflash.Recipe
function M.recipe(kind, board, options)
    local stock = require(("jflash.recipe.%s_shell"):format(kind))
    return stock:over(choice.choose(nil, board, options))
end

--- A shell of a board that a recipe has brought there.
---@param dut jflash.Dut
---@param kind "bootloader"|"busybox"
---@return jflash.Session to be closed
function M.new(dut, kind)
    -- U-Boot's "version" would look like a reset. The shell knows by itself where its
    -- commands' output begins.
    if kind == "bootloader" then
        dut.console:phase("quiet")
    end
    return setmetatable({ dut = dut, kind = kind }, Session)
end

--- Brings a board to U-Boot's prompt, or to its flasher's shell.
---@param dut jflash.Dut
---@param kind "bootloader"|"busybox"
---@return jflash.Session to be closed
function M.open(dut, kind)
    dut:need_run()
    M.recipe(kind, dut.board, dut.options):run(dut)
    return M.new(dut, kind)
end

return M
