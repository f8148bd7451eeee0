-- SPDX-License-Identifier: Apache-2.0
--
-- What a manifest's layers hold, fetched and put into a folder.

local blobs = require("jflash.oci.blobs")
local errors = require("jflash.errors")
local image = require("jflash.image")
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

local function try(repository, plan, dir)
    local held = repository:fetch(descriptors_of(plan))
    local ok, reason = xpcall(layers.extract, errors.wrap, plan, held, dir, repository.reference.text)
    return ok, reason, held
end

-- Takes copies that are damaged out of the cache.
local function drop_damaged(cache, held)
    for _, blob in pairs(held) do
        if image.sha256_file(blob.path) ~= blob.sha256 then
            log.warn("cache: %s is damaged, and fetched again", blob.sha256)
            cache:drop(blob)
        end
    end
end

--- Fills the empty folder `dir`. A damaged copy in the cache is fetched again. Raises.
---@param repository jflash.OciRepository
---@param manifest table  see registry.manifest
---@param dir string
function M.extract(repository, manifest, dir)
    local plan = layers.plan(manifest, repository.reference.text)
    local ok, reason, held = try(repository, plan, dir)
    if not ok and reason.class == "host" and reason.code == "checksum" then
        drop_damaged(repository.cache, held)
        blobs.release(held)
        errors.check("host", sys.remove_tree(dir))
        errors.check("host", sys.mkdir(dir))
        ok, reason, held = try(repository, plan, dir)
    end
    blobs.release(held)
    if not ok then
        error(reason, 0)
    end
end

return M
