-- SPDX-License-Identifier: Apache-2.0
--
-- What the commands bootloader-shell and busybox-shell share: with words behind --
-- one command, whose status is the exit status; on a terminal a live shell; else the
-- commands that stand on standard input.

local boards = require("jflash.cli.board")
local errors = require("jflash.errors")
local log = require("jflash.log")
local options = require("jflash.cli.options")
local runner = require("jflash.runner")
local sessions = require("jflash.session")
local sys = require("jflash.sys")

local M = {}

-- Nobody writes a longer line of commands by hand, nor waits as long for one.
local INPUT_WAIT_S = 24 * 3600

---@param command table
---@param examples string[]
function M.define(command, examples)
    command:argument("words", "A command: its output is printed, its status is the exit status. "
        .. "Without one: a live shell on a terminal, else the commands on standard input.")
        :argname("COMMAND"):args("*")
    options.board(command)
    command:option("--timeout", "Seconds that a command may take (default 3600)."):argname("S")
        :convert(options.seconds)
    options.boot(command)
    command:epilog("In a live shell Ctrl-] (console.escape_key) opens a menu: power, break, log,\n"
        .. "Lua prompt, quit.\n\nExamples:\n  " .. table.concat(examples, "\n  "))
end

local function print_out(text)
    errors.check("host", sys.write(1, text))
end

local function run_command(shell, command, values)
    return shell:stream(command, { timeout_s = values.timeout, on_text = print_out })
end

-- A line of the input; nil at its end.
local function next_line()
    local line, message, code = sys.read_line(0, { timeout_s = INPUT_WAIT_S })
    if not line and code ~= "closed" then
        errors.check("host", nil, message, code)
    end
    return line
end

-- The flasher gets the input as one script. As in sh, the last command's status is
-- that of all.
local function run_input(shell, kind, values)
    local status, lines = 0, {}
    for line in next_line do
        if kind == "bootloader" and line:find("%S") then
            status = run_command(shell, line, values)
        end
        table.insert(lines, line)
    end
    return kind == "bootloader" and status or run_command(shell, table.concat(lines, "\n") .. "\n", values)
end

local function live_shell(dut, shell)
    local why = shell:attach()
    log.raw("\n")
    if why == "closed" then
        dut.console:fail({ code = "closed", message = dut.console.name .. ": the console hung up" })
    end
    log.info("left the shell")
    return 0
end

local function use(dut, kind, values)
    local shell <close> = sessions.new(dut, kind)
    if #values.words > 0 then
        return run_command(shell, table.concat(values.words, " "), values)
    elseif sys.isatty(0) then
        return live_shell(dut, shell)
    end
    return run_input(shell, kind, values)
end

--- Runs one of the two commands.
---@param values table
---@param kind "bootloader"|"busybox"
---@param recipe jflash.Recipe|nil  nil: the stock one, over the board's own
---@return integer status
function M.run(values, kind, recipe)
    local board = boards.choose(values)
    local settled = options.of_run(values, board)
    local status
    runner.run(recipe or sessions.recipe(kind, board, settled), board, settled, function(dut)
        status = use(dut, kind, values)
    end)
    return status
end

return M
