-- SPDX-License-Identifier: Apache-2.0
--
-- Pulling in tests: into a cache of the test's own, with short patience.
local bundles = require("jflash.oci.bundle")
local errors = require("jflash.errors")
local sys = require("jflash.sys")

local M = {}

M.FILES = {
    { "manifest.yaml", "kind: FlashBundleManifest\n" },
    { "data/Image", ("kernel"):rep(50000) },
    { "data/dtb/board.dtb", "tree" },
}

M.PATIENCE = { backoff_s = 0.01, connect_timeout_s = 5, stall_timeout_s = 1 }

---@class tests.Puller
---@field cache string  its folder
local Puller = {}
Puller.__index = Puller

---@param cache string  a folder
function M.new(cache)
    return setmetatable({ cache = cache }, Puller)
end

function Puller:board()
    return { cache_dir = self.cache, cache_limit = 1 << 30 }
end

local function with_patience(settings)
    local all = { client = M.PATIENCE, retries = 2 }
    for key, value in pairs(settings or {}) do
        all[key] = value
    end
    return all
end

--- Pulls; to be closed.
function Puller:pull(reference, settings)
    return bundles.pull(reference, with_patience(settings), self:board())
end

--- The error that pulling raises.
function Puller:failure(reference, settings)
    local ok, reason = xpcall(self.pull, errors.wrap, self, reference, settings)
    assert(not ok, "it was pulled")
    return reason
end

--- The names in a folder of the cache.
function Puller:names(folder)
    local names = sys.list(self.cache .. "/" .. folder) or {}
    table.sort(names)
    return names
end

return M
