-- SPDX-License-Identifier: Apache-2.0
--
-- What a manifest's layers hold, fetched and put into a folder.

local blobs = require("jflash.oci.blobs")
local caches = require("jflash.cache")
local errors = require("jflash.errors")
local layers = require("jflash.oci.layers")
local log = require("jflash.log")
local sys = require("jflash.sys")

local M = {}

local function descriptors_of(plan)
    local list = {}
    for index, layer in ipairs(plan) do
        list[index] = layer.descriptor
    end
    return list
end

local function try(repository, plan, dir, may_link)
    local held = repository:fetch(descriptors_of(plan))
    local ok, result = xpcall(layers.extract, errors.wrap, plan, held, dir, repository.reference.text, may_link)
    return ok, result, held
end

-- Takes copies that are damaged out of the cache.
local function drop_damaged(cache, held)
    for _, blob in pairs(held) do
        if caches.sha256_file(blob.path) ~= blob.sha256 then
            log.warn("cache: %s is damaged, and fetched again", blob.sha256)
            cache:drop(blob)
        end
    end
end

--- Fills the empty folder `dir`. A damaged copy in the cache is fetched again. Raises.
---@param repository jflash.OciRepository
---@param manifest table  see registry.manifest
---@param dir string
---@param may_link boolean|nil  see layers.extract
---@return table<string, string> sha256  of files whose digest is known, by name
function M.extract(repository, manifest, dir, may_link)
    local plan = layers.plan(manifest, repository.reference.text)
    local ok, result, held = try(repository, plan, dir, may_link)
    if not ok and result.class == "host" and result.code == "checksum" then
        drop_damaged(repository.cache, held)
        blobs.release(held)
        errors.check("host", sys.remove_tree(dir))
        errors.check("host", sys.mkdir(dir))
        ok, result, held = try(repository, plan, dir, may_link)
    end
    blobs.release(held)
    if not ok then
        error(result, 0)
    end
    return result
end

return M
