-- SPDX-License-Identifier: Apache-2.0
--
-- Which recipe a run takes: the one that was named, the board's, the bundle's where
-- that is allowed, or the stock one.
--
-- A recipe.lua inside a bundle is code on this host that came with somebody's files.
-- It runs only when the user allowed that. Then, and only then, modules of the
-- bundle's folder can be required, behind all others: they replace none of jflash's.

local bundles = require("jflash.bundle")
local errors = require("jflash.errors")
local log = require("jflash.log")
local oci_settings = require("jflash.oci.settings")
local recipes = require("jflash.recipe")
local scripts = require("jflash.scripts")
local sys = require("jflash.sys")

local M = {}

local FILE = "recipe.lua"

local function has(folder, file)
    return sys.stat(folder .. "/" .. file, { follow = false }) ~= nil
end

-- Loads a file of the bundle, which is in it also when links are followed.
local function load_file(bundle, file)
    local path = bundle:path(file)
    local chunk, message = load(errors.check("config", sys.read_file(path)), "@" .. path, "t")
    if not chunk then
        errors.raise({ class = "bug", code = "syntax", message = message })
    end
    return chunk, path
end

-- An entry of package.searchers.
local function searcher_of(bundle)
    return function(name)
        local base = name:match("^[%w_.-]+$") and name:gsub("%.", "/")
        for _, file in ipairs(base and { base .. ".lua", base .. "/init.lua" } or {}) do
            if has(bundle.root, file) then
                return load_file(bundle, file)
            end
        end
        return ("no module '%s' in the bundle %s"):format(name, bundle.dir)
    end
end

local function load_bundled(bundle)
    table.insert(package.searchers, searcher_of(bundle))
    local chunk, path = load_file(bundle, FILE)
    local recipe = chunk()
    if not recipes.is(recipe) then
        errors.raise({ class = "config", code = "recipe", message = path .. " returns no recipe",
            hint = 'it should end in "return recipe": see docs/recipes.md' })
    end
    log.info("recipe %s, which the bundle brings", path)
    return recipe
end

-- One in a registry is looked into only when its recipe may run; it is held for as long
-- as its modules can be required.
local function pulled_with_recipe(place, board, options)
    local bundle = bundles.open_at(place, { manifest = board.manifest, board = board,
        oci = oci_settings.settle(options.fetch or {}, options, board) })
    if has(bundle.root, FILE) then
        return bundle
    end
    bundle:close()
    return nil
end

-- The bundle's folder, when it has a recipe. What is wrong with the bundle is said by
-- the step that opens it.
local function folder_with_recipe(place)
    local ok, folder = pcall(bundles.find, place)
    return ok and has(folder, FILE) and folder or nil
end

--- The recipe of a run.
---@param own jflash.Recipe|nil  named on the command line
---@param board jflash.board
---@param options {bundle: string|nil, allow_bundle_recipe: boolean|nil}
---@return jflash.Recipe
function M.choose(own, board, options)
    own = own or board.recipe and scripts.load_recipe(board.recipe)
    local place = options.bundle or board.bundle
    if place and bundles.is_remote(place) then
        local bundle = not own and options.allow_bundle_recipe and pulled_with_recipe(place, board, options)
        return own or bundle and load_bundled(bundle) or require("jflash.recipe.flash")
    end
    local folder = place and folder_with_recipe(place)
    if folder and not own and options.allow_bundle_recipe then
        return load_bundled(bundles.open(folder, { manifest = board.manifest }))
    elseif folder then
        log.info("the bundle's %s is not run: %s", FILE,
            own and "another recipe was chosen" or "--allow-bundle-recipe allows it")
    end
    return own or require("jflash.recipe.flash")
end

return M
