-- SPDX-License-Identifier: Apache-2.0
--
-- Bundles in registries: fetched into the cache, unpacked there once per manifest, and
-- used as a folder.
--
--     local pulled <close> = oci_bundles.pull("oci://quay.io/org/bundle:1", settings, board)
--     print(pulled.path, pulled.digest)

local caches = require("jflash.cache")
local errors = require("jflash.errors")
local layers = require("jflash.oci.layers")
local lockfile = require("jflash.oci.lockfile")
local log = require("jflash.log")
local registry = require("jflash.registry")
local repositories = require("jflash.oci.repository")
local sys = require("jflash.sys")
local trees = require("jflash.oci.tree")

local M = {}

---A bundle that was pulled; its folder stays until it is closed.
---@class jflash.PulledBundle
---@field path string       the folder
---@field reference string  in full
---@field digest string     of the manifest: sha256:…
---@field tag_digest string what the reference has: of an index, if it is one
---@field manifest table    see registry.manifest
local Pulled = {}
Pulled.__index = Pulled

--- The parts of a reference. Raises class config.
---@param text string
---@return table see registry.parse
function M.parse(text)
    local reference, message, code = registry.parse(text)
    return errors.check("config", reference, message, code,
        "as in oci://HOST/NAME:TAG, or oci://HOST/NAME@sha256:…")
end

--- Whether a place where a bundle may be is a reference: it begins with oci:// or
--- oci-layout:, or as registries' names do, with a host that has a dot or a port. A
--- folder that is there is a folder.
---@param place string
---@return boolean
function M.is_reference(place)
    if place:find("^oci://") or place:find("^oci%-layout:") then
        return true
    end
    local host = place:match("^([^/]+)/")
    local looks_so = host ~= nil and not host:find("^[.~]")
        and (host:find("[.:]") ~= nil or host == "localhost")
    return looks_so and not sys.stat(place)
end

-- The board's cache; one of its own, for this once, when that is turned off.
local function open_cache(board)
    local cache = caches.open(board)
    if cache then
        return cache
    end
    local own = errors.check("host", sys.temp_dir("jflash-pull-"))
    return caches.open({ cache_dir = own, cache_limit = math.maxinteger }), own
end

local function descriptors_of(plan)
    local list = {}
    for index, layer in ipairs(plan) do
        list[index] = layer.descriptor
    end
    return list
end

local function fill(repository, found)
    return function(dir)
        local name = repository.reference.text
        local plan = layers.plan(found.manifest, name)
        local held = repository:fetch(descriptors_of(plan))
        local ok, reason = xpcall(layers.extract, errors.wrap, plan, held, dir, name)
        for _, blob in pairs(held) do
            blob:close()
        end
        if not ok then
            error(reason, 0)
        end
    end
end

local function only_registry(reference)
    if reference.kind ~= "registry" then
        errors.raise({ class = "config", code = "unsupported",
            message = ("%s: a registry's reference is expected"):format(reference.text) })
    end
end

local function pull(self, reference, settings, cache)
    local repository <close> = repositories.open(reference, settings, cache)
    local found = repository:resolve()
    self.reference, self.digest, self.tag_digest = reference.text, found.digest, found.tag_digest
    self.manifest = found.manifest
    self.tree = trees.open(cache, found.digest:match(":(.*)$"), reference.text, fill(repository, found))
    self.path = self.tree.path
    log.info("bundle %s: %s", reference.text, found.digest)
end

--- Fetches a bundle, or finds it in the cache. Raises.
---@param text string   a reference
---@param settings jflash.OciSettings
---@param board {cache_dir: string|nil, cache_limit: integer}
---@return jflash.PulledBundle to be closed
function M.pull(text, settings, board)
    local reference = M.parse(text)
    only_registry(reference)
    local self = setmetatable({}, Pulled)
    local cache
    cache, self.temporary = open_cache(board)
    local ok, reason = xpcall(pull, errors.wrap, self, reference, settings, cache)
    if not ok then
        self:close()
        error(reason, 0)
    end
    return self
end

--- Writes the digest that the reference has now into a folder's lock file.
---@param folder string
---@return string path
function Pulled:write_lock(folder)
    return lockfile.write(folder, self.reference, self.tag_digest)
end

function Pulled:close()
    if self.tree then
        self.tree:close()
        self.tree = nil
    end
    if self.temporary then
        errors.check("host", sys.remove_tree(self.temporary))
        self.temporary = nil
    end
end
Pulled.__close = Pulled.close

return M
