-- SPDX-License-Identifier: Apache-2.0
--
-- The command line: parses it, runs one command, and turns an error into words
-- and an exit status.

local argparse = require("argparse")
local environment = require("jflash.environment")
local errors = require("jflash.errors")
local groups = require("jflash.cli.groups")
local log = require("jflash.log")
local options = require("jflash.cli.options")
local runtime = require("jflash.runtime")
local sys = require("jflash.sys")

local M = {}

-- In the order in which help shows them. A command's module is loaded only when it
-- is asked for: most of the start-up time would go into the others.
local COMMANDS = {
    { "flash", "Flash an image onto a board's storage." },
    { "dump", "Read a board's storage into a file." },
    { "run", "Run a Lua script, or a recipe with the options of flash." },
    { "report", "Show what a run did, from the folder that it left." },
    { "console", "A live terminal on a board's console." },
    { "bootloader-shell", "A board's U-Boot: its prompt, or one command." },
    { "busybox-shell", "A board's flasher system: its shell, or one command." },
    { "repl", "Lua at a prompt, with the board as dut." },
    { "power", "Switch a board's power on or off, or read it." },
    { "boards", "List the boards that are configured or built in." },
    { "config", "Explain every key of a configuration, and list all that is wrong." },
    { "bundle", "Pull bundles from registries, push, inspect and check them." },
    { "cache", "List, prune or verify what was fetched." },
    { "modules", "Show where each Lua module and script comes from." },
    { "completion", "Print a shell's completion of this command line." },
}

local EPILOG = [[
Exit status: 0 done; 1 a bug, or an error in your own Lua; 2 configuration;
3 source of the image; 4 this host; 5 the board; 6 the image; 128+N ended by
signal N.  Options and examples of a command: jflash help COMMAND.
Documentation: man jflash; docs/ in the source, or share/doc/jflash.]]

-- Raised to print a text and end with status 0.
local Answer = {}

local function answer(text)
    error(setmetatable({ text = text }, Answer), 0)
end

-- Help must not end the process from inside the parser: the job unwinds.
-- `topics` is what a command has help of its own for.
local function add_help(command, topics)
    command:add_help({
        args = topics and "?" or 0,
        argname = topics and topics.argname or nil,
        description = topics and topics.description or nil,
        action = function(_, _, topic)
            topic = type(topic) == "table" and topic[1] or nil
            answer(topic and topics.text(topic) or command:get_help() .. "\n")
        end,
    })
end

local function new_parser(name, description)
    local parser = argparse(name, description):add_help(false)
    parser:help_max_width(80)
    return parser
end

-- The first argument that names a command.
local function asked_for(args)
    for index, argument in ipairs(args) do
        local is_value = index > 1 and options.is_before_command(args[index - 1])
        for _, command in ipairs(COMMANDS) do
            if argument == command[1] and not is_value then
                return argument
            end
        end
    end
end

--- The module of a command.
---@param name string
---@return table
function M.command(name)
    return require("jflash.cli." .. name:gsub("-", "_"))
end

-- The parser, with the options of the commands that `wanted` says.
local function build(wanted)
    local parser = new_parser("jflash",
        "Flashes operating-system images onto boards through their own bootloader.")
    parser:epilog(EPILOG)
    add_help(parser)
    parser:flag("--version", "Print the version."):action(function()
        answer(("jflash %s (Lua API %d)\n"):format(runtime.version, runtime.api))
    end)
    options.before_command(parser)
    parser:command_target("command")
    parser:require_command(false)
    for _, entry in ipairs(COMMANDS) do
        local name, summary = table.unpack(entry)
        local command = parser:command(name, summary):add_help(false)
        command:help_max_width(80)
        local module = wanted(name) and M.command(name)
        add_help(command, module and module.topics)
        if module then
            module.define(command)
            groups.apply(command)
        end
    end
    local help = parser:command("help", "Show help for a command."):add_help(false)
    help:argument("topic", "A command."):args("?")
    return parser
end

local function only(asked)
    return function(name)
        return name == asked
    end
end

--- The parser with all commands and their options; for completion and the manual.
---@return table parser of argparse
function M.parser()
    return build(function()
        return true
    end)
end

--- The commands' names, in the order in which help shows them.
---@return string[]
function M.commands()
    local names = {}
    for index, entry in ipairs(COMMANDS) do
        names[index] = entry[1]
    end
    return names
end

--- Ends the program with the help of a command, or of the whole.
---@param topic string|nil
function M.help(topic)
    local parser = build(only(topic))
    for _, command in ipairs(parser._commands) do
        if command._name == topic then
            answer(command:get_help() .. "\n")
        end
    end
    if topic then
        errors.raise({ class = "config", code = "usage", message = ("no command '%s'"):format(topic),
            hint = "jflash --help lists them" })
    end
    answer(parser:get_help() .. "\n")
end

local function usage_error(parser, message)
    errors.raise({
        class = "config",
        code = "usage",
        message = message,
        hint = parser:get_usage():match("^Usage: (jflash[%l ]*)"):gsub(" $", "")
            .. " --help says what there is",
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
    define(parser)
    groups.apply(parser)
    parser.error = usage_error
    return parser:parse(args)
end

local function has_option(parser, command, option)
    for _, known in ipairs(parser._commands) do
        for _, element in ipairs(known._name == command and known._options or {}) do
            for _, alias in ipairs(element._aliases) do
                if alias == option then
                    return true
                end
            end
        end
    end
    return false
end

local function parse(args)
    local parser = build(only(asked_for(args)))
    parser.error = usage_error
    local values = parser:parse(args)
    -- What run is given is for the script, which has options of its own.
    local unknown = values.command and values.command ~= "run" and options.take_over(values, function(option)
        return has_option(parser, values.command, option)
    end)
    if unknown then
        usage_error(parser, ("jflash %s takes no %s"):format(values.command, unknown))
    end
    if not values.command or values.command == "help" then
        M.help(values.topic)
    end
    return values
end

local function run(args)
    environment.take()
    local values = parse(args)
    log.configure({ format = values.log_format, quiet = values.quiet })
    return M.command(values.command).run(values) or 0
end

local titles = {
    bug = "error",
    config = "configuration error",
    source = "the source cannot be had",
    host = "error on this host",
    board = "the board failed",
    image = "the image is refused",
    cancelled = "cancelled",
}

-- The failure as machines read it, in the run's log too.
local function log_failure(failure)
    local write = log.is_json() and log.event or log.record
    log.step(failure.step)
    write("failed: " .. failure.message, {
        class = failure.class, code = failure.code, failed_step = failure.step, hint = failure.hint,
        console = failure.console, cleanup = failure.cleanup, status = errors.status(failure),
    }, "error")
end

local function print_failure(failure)
    log_failure(failure)
    if log.is_json() then
        return
    end
    local place = failure.step and (" in step " .. failure.step) or ""
    local lines = errors.details(failure, failure.traceback)
    table.insert(lines, 1, ("jflash: %s%s: %s"):format(titles[failure.class], place, failure.message))
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
