-- SPDX-License-Identifier: Apache-2.0
--
-- What `jflash bundle check` looks at: a folder, a manifest alone, or the manifest of a
-- bundle that has not been built here.

local bundles = require("jflash.bundle")
local log = require("jflash.log")
local manifests = require("jflash.manifest")
local runtime = require("jflash.runtime")
local sys = require("jflash.sys")

local M = {}

--- Checks a bundle in a folder. Raises class config.
---@param dir string
---@param name string  the manifest's
function M.folder(dir, name)
    local bundle = bundles.open(dir, { manifest = name, strict = true })
    bundle:check()
    log.info("%s: bundle %s is sound", dir, bundle.manifest.name)
end

-- Without a folder around it a manifest proves nothing of the files that it names.
local function say_alone(manifest, why)
    local names = {}
    for _, file in ipairs(manifest:all_files()) do
        names[#names + 1] = file.file
    end
    log.info("%s: manifest %s is sound; %s: %s", manifest.source, manifest.name, why,
        table.concat(names, ", "))
end

-- The text of a manifest in the program: that of a bundle which has not been built.
local function stock_manifest(bundle, name)
    local file = ("bundles/%s/%s"):format(bundle, name)
    local text = runtime.embedded(file)
    return text and manifests.parse(text, "@builtin/" .. file, { strict = true })
end

--- Checks what is in a folder, under a bare name, or a manifest's file.
---@param place string
---@param name string  the manifest's
function M.place(place, name)
    local info = sys.stat(place)
    if info and info.type == "file" then
        return say_alone(manifests.load(place, { strict = true }), "not looked for")
    end
    local dir = bundles.lookup(place)
    local stock = not dir and stock_manifest(place, name)
    if stock then
        say_alone(stock, ("bundles/%s/build.sh makes, and has not made here"):format(place))
    else
        M.folder(dir or bundles.find(place), name)
    end
end

return M
