-- SPDX-License-Identifier: Apache-2.0

local bundles = require("jflash.bundle")
local log = require("jflash.log")
local manifests = require("jflash.manifest")
local sys = require("jflash.sys")

local M = {}

function M.define(command)
    command:argument("action", "check"):choices({ "check" })
    command:argument("bundle", "The bundle's folder, or a manifest alone."):argname("DIR|FILE")
    command:option("--manifest", "The manifest's name inside the folder.")
        :argname("NAME"):default("manifest.yaml")
    command:epilog("An unknown key is an error here; flash only warns of it.")
end

local function check_folder(path, name)
    local bundle = bundles.open(path, { manifest = name, strict = true })
    bundle:check()
    return bundle.manifest
end

function M.run(values)
    local info = sys.stat(values.bundle)
    local manifest = info and info.type == "file" and manifests.load(values.bundle, { strict = true })
        or check_folder(values.bundle, values.manifest)
    log.info("%s: bundle %s is sound", values.bundle, manifest.name)
    return 0
end

return M
