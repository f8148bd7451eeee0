-- SPDX-License-Identifier: Apache-2.0

local bundles = require("jflash.bundle")
local log = require("jflash.log")
local manifests = require("jflash.manifest")
local runtime = require("jflash.runtime")
local sys = require("jflash.sys")

local M = {}

local EPILOG = [[
An unknown key is an error here; flash only warns of it.

Examples:
  jflash bundle check build/bundles/qemu-arm64
  jflash bundle check --manifest manifest-fit.yaml qemu-arm64
  jflash bundle check rcar-s4]]

function M.define(command)
    command:argument("action", "check"):choices({ "check" })
    command:argument("bundle", "The bundle's folder, its name, or a manifest alone.")
        :argname("DIR|NAME|FILE")
    command:option("--manifest", "The manifest's name inside the folder.")
        :argname("NAME"):default("manifest.yaml")
    command:epilog(EPILOG)
end

local function check_folder(dir, name)
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

function M.run(values)
    local info = sys.stat(values.bundle)
    if info and info.type == "file" then
        say_alone(manifests.load(values.bundle, { strict = true }), "not looked for")
        return 0
    end
    local dir = bundles.lookup(values.bundle)
    local stock = not dir and stock_manifest(values.bundle, values.manifest)
    if stock then
        say_alone(stock, ("bundles/%s/build.sh makes, and has not made here"):format(values.bundle))
    else
        check_folder(dir or bundles.find(values.bundle), values.manifest)
    end
    return 0
end

return M
