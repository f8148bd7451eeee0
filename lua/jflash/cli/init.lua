-- SPDX-License-Identifier: Apache-2.0
--
-- The command line: parses it, runs one command, and turns an error into words
-- and an exit status.

local argparse = require("argparse")
local errors = require("jflash.errors")
local log = require("jflash.log")
local runtime = require("jflash.runtime")
local sys = require("jflash.sys")

local M = {}

-- In the order in which help shows them.
local COMMANDS = { "flash", "run", "console", "power", "boards", "bundle", "modules" }

local EPILOG = [[
Exit status: 0 done; 1 a bug, or an error in your own Lua; 2 configuration;
3 source of the image; 4 this host; 5 the board; 6 the image; 128+N ended by
signal N.  Documentation: docs/ in the source, or share/doc/jflash.]]

-- Raised to print a text and end with status 0.
local Answer = {}

local function answer(text)
    error(setmetatable({ text = text }, Answer), 0)
end

-- Help must not end the process from inside the parser: the job unwinds.
local function add_help(command)
    command:add_help({
        action = function(parser)
            answer(parser:get_help() .. "\n")
        end,
    })
end

local function new_parser(name, description)
    local parser = argparse(name, description):add_help(false)
    parser:help_max_width(80)
    return parser
end

local function build()
    local parser = new_parser("jflash",
        "Flashes operating-system images onto boards through their own bootloader.")
    parser:epilog(EPILOG)
    add_help(parser)
    parser:flag("--version", "Print the version."):action(function()
        answer(("jflash %s (Lua API %d)\n"):format(runtime.version, runtime.api))
    end)
    parser:command_target("command")
    parser:require_command(false)
    for _, name in ipairs(COMMANDS) do
        local module = require("jflash.cli." .. name)
        local command = parser:command(name, module.summary):add_help(false)
        command:help_max_width(80)
        add_help(command)
        module.define(command, add_help)
    end
    local help = parser:command("help", "Show help for a command."):add_help(false)
    help:argument("topic", "A command."):args("?")
    return parser
end

local function usage_error(parser, message)
    errors.raise({
        class = "config",
        code = "usage",
        message = message,
        hint = ("%s --help says what there is"):format(parser:get_usage():match("^Usage: (jflash[%l ]*)")
            or "jflash"),
    })
end

--- Parses `args` as the options of a command that `define` describes; for
--- scripts, which bring their own.
---@param name string    shown in help and errors
---@param summary string
---@param define fun(command: table)
---@param args string[]
---@return table values
function M.parse_as(name, summary, define, args)
    local parser = new_parser(name, summary)
    add_help(parser)
    define(parser, add_help)
    parser.error = usage_error
    return parser:parse(args)
end

local function parse(args)
    local parser = build()
    parser.error = usage_error
    local values = parser:parse(args)
    if values.command == "help" and values.topic then
        M.parse(nil, { values.topic, "--help" })
    end
    if not values.command or values.command == "help" then
        answer(parser:get_help() .. "\n")
    end
    return values
end

function M.parse(_, args)
    return parse(args)
end

local function run(args)
    local values = parse(args)
    log.configure({ format = values.log_format, quiet = values.quiet })
    return require("jflash.cli." .. values.command).run(values) or 0
end

local function indent(text)
    return "    " .. text:gsub("\n", "\n    ")
end

local titles = {
    bug = "error",
    config = "configuration error",
    source = "the image cannot be had",
    host = "error on this host",
    board = "the board failed",
    image = "the image is refused",
    cancelled = "cancelled",
}

local function print_failure(failure)
    local place = failure.step and (" in step " .. failure.step) or ""
    local fields = { class = failure.class, code = failure.code, failed_step = failure.step,
        hint = failure.hint, console = failure.console }
    if log.is_json() then
        log.step(failure.step)
        log.event("failed: " .. failure.message, fields)
        return
    end
    local lines = { ("jflash: %s%s: %s"):format(titles[failure.class], place, failure.message) }
    if failure.console and failure.console ~= "" then
        table.insert(lines, "  the console's last lines:\n" .. indent(failure.console))
    end
    for _, cleanup in ipairs(failure.cleanup or {}) do
        table.insert(lines, "  and while cleaning up: " .. cleanup)
    end
    if failure.hint then
        table.insert(lines, "  hint: " .. failure.hint)
    end
    if failure.traceback then
        table.insert(lines, indent(failure.traceback))
    end
    log.raw(table.concat(lines, "\n") .. "\n")
end

local function handle(failure)
    if getmetatable(failure) == Answer then
        return failure
    end
    return errors.wrap(failure)
end

--- Runs the program.
---@param argv string[]  as C has it: argv[0] is the program
---@return integer status
function M.main(argv)
    local ok, result = xpcall(run, handle, table.move(argv, 1, #argv, 1, {}))
    log.step(nil)
    if ok then
        return result
    end
    if getmetatable(result) == Answer then
        sys.write(1, result.text)
        return 0
    end
    print_failure(result)
    return errors.status(result)
end

return M
