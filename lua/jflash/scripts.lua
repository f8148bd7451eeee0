-- SPDX-License-Identifier: Apache-2.0
--
-- Finds and loads the scripts that `jflash run` and a board's `recipe:` name: a
-- path first, then the search directories, then the program itself.

local errors = require("jflash.errors")
local recipes = require("jflash.recipe")
local runtime = require("jflash.runtime")
local sys = require("jflash.sys")

local M = {}

local function read(path)
    local info = sys.stat(path)
    return info and info.type == "file" and sys.read_file(path) or nil
end

local function in_directories(name)
    for _, directory in ipairs(runtime.directories()) do
        for _, path in ipairs({ directory .. "/" .. name, directory .. "/scripts/" .. name }) do
            local text = read(path)
            if text then
                return text, path
            end
        end
    end
end

--- The text of a script and where it came from.
---@param name string
---@return string text
---@return string path  "@builtin/scripts/…" for one in the program
function M.find(name)
    local text, path = read(name), name
    if not text then
        text, path = in_directories(name)
    end
    if not text then
        text, path = runtime.embedded("scripts/" .. name), "@builtin/scripts/" .. name
    end
    if text then
        return text, path
    end
    return errors.raise({
        class = "config",
        code = "missing",
        message = ("no script %q: not a file here, in no search directory, not built in"):format(name),
        hint = "jflash modules shows the search directories and the built-in scripts",
    })
end

--- Loads a script as a function.
---@param name string
---@return function
function M.load(name)
    local text, path = M.find(name)
    local chunk_name = path:sub(1, 1) == "@" and path or "@" .. path
    local chunk, message = load(text, chunk_name, "t")
    if not chunk then
        errors.raise({ class = "bug", code = "syntax", message = message })
    end
    return chunk
end

--- Runs a script that must return a recipe.
---@param name string
---@return jflash.Recipe
function M.load_recipe(name)
    local recipe = M.load(name)()
    if not recipes.is(recipe) then
        errors.raise({
            class = "config",
            code = "recipe",
            message = ("%s returns no recipe"):format(name),
            hint = 'it should end in "return recipe": see docs/recipes.md',
        })
    end
    return recipe
end

return M
