-- SPDX-License-Identifier: Apache-2.0
--
-- Compares all that the cache keeps with its digests, and removes what is damaged.

local caches = require("jflash.cache")
local job = require("jflash.job")
local log = require("jflash.log")
local trees = require("jflash.oci.tree")

local M = {}

-- Whether the entry is what its name says; one without a digest yet always is.
local function is_sound(entry)
    if entry.kind == "blob" then
        return caches.sha256_file(entry.path) == entry.name
    elseif entry.kind == "tree" then
        return trees.is_good(entry.path, entry.reference or entry.name)
    end
    return true
end

--- Looks at every entry. What is in use and damaged stays, and is told of.
---@param cache jflash.Cache
---@return integer sound
---@return integer damaged
function M.run(cache)
    local sound, damaged = 0, 0
    for _, entry in ipairs(cache:entries()) do
        assert(job.check())
        if is_sound(entry) then
            sound = sound + 1
        else
            damaged = damaged + 1
            log.warn("cache: %s is damaged", entry.path)
            if not cache:evict(entry) then
                log.warn("cache: %s is in use by another run, and stays", entry.path)
            end
        end
    end
    return sound, damaged
end

return M
