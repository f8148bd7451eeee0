-- SPDX-License-Identifier: Apache-2.0

local errors = require("jflash.errors")
local options = require("jflash.cli.options")
local recipes = require("jflash.recipe")
local scripts = require("jflash.scripts")

local M = {}

local EXAMPLES = [[
A script that returns a recipe is run like flash (or the command whose recipe it
derives from), with the same options. Any other script gets the arguments as it
would from lua, in arg and in "..."; what it returns, when that is a number, is
the exit status.

Examples:
  jflash run flash.lua --board qemu-arm64 image.raw.xz
  jflash run keyed-autoboot.lua --board qemu-arm64 image.raw.xz
  jflash run boot.lua --board qemu-arm64 --expect "login:"
  jflash run my-board.lua --help]]

function M.define(command)
    command:argument("script", "A file, or the name of a script in the search directories or "
        .. "built in."):argname("SCRIPT")
    command:argument("args", "The script's own arguments."):args("*"):argname("ARGS")
    command:handle_options(false)
    command:epilog(EXAMPLES)
end

local function run_recipe(recipe, values)
    local cli = require("jflash.cli")
    local command = cli.command(recipe.command)
    local own_values = cli.parse_as("jflash run " .. values.script,
        "Run this recipe against a board.", command.define, values.args)
    require("jflash.log").configure({ format = own_values.log_format, quiet = own_values.quiet })
    return command.run(own_values, recipe)
end

function M.run(values)
    if values.script == "--help" or values.script == "-h" then
        require("jflash.cli").help("run")
    end
    -- What stood before run is for the script too.
    local before = options.given_before(values)
    values.args = table.move(values.args, 1, #values.args, #before + 1, before)
    if values.script:find("^%-") then
        errors.raise({ class = "config", code = "usage",
            message = ("%s stands where the script's name belongs"):format(values.script),
            hint = "the script comes first, its options behind it: jflash run SCRIPT " .. values.script })
    end
    local chunk = scripts.load(values.script)
    arg = table.move(values.args, 1, #values.args, 1, { [0] = values.script }) -- luacheck: globals arg
    local result = chunk(table.unpack(values.args))
    if recipes.is(result) then
        return run_recipe(result, values)
    end
    return math.type(result) == "integer" and result or 0
end

return M
