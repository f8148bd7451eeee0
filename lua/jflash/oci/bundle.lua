-- SPDX-License-Identifier: Apache-2.0
--
-- Bundles in registries: fetched into the cache, unpacked there once per manifest, and
-- used as a folder.
--
--     local pulled <close> = oci_bundles.pull("oci://quay.io/org/bundle:1", settings, board)
--     print(pulled.path, pulled.digest)

local caches = require("jflash.cache")
local content = require("jflash.oci.content")
local errors = require("jflash.errors")
local lockfile = require("jflash.oci.lockfile")
local log = require("jflash.log")
local references = require("jflash.oci.reference")
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

-- The board's cache; one of its own, for this once, when that is turned off.
local function open_cache(board)
    local cache = caches.open(board)
    if cache then
        return cache
    end
    local own = errors.check("host", sys.temp_dir("jflash-pull-"))
    return caches.open({ cache_dir = own, cache_limit = math.maxinteger }), own
end

-- What the text refers to in a registry, or in a layout.
local function parse(text)
    local reference = references.parse(text)
    if reference.kind == "directory" then
        errors.raise({ class = "config", code = "unsupported",
            message = ("%s: a registry's reference is expected"):format(reference.text) })
    end
    return reference
end

-- What was found, for the caller's result.
local function note(self, reference, found)
    self.reference, self.digest, self.tag_digest = reference.text, found.digest, found.tag_digest
    self.manifest = found.manifest
    log.info("bundle %s%s", reference.text, reference.digest and "" or ": " .. found.digest)
end

local function pull(cache, self, reference, settings)
    local repository <close> = repositories.open(reference, settings, cache)
    local found = repository:resolve()
    note(self, reference, found)
    self.tree = trees.open(cache, found.digest:match(":(.*)$"), reference.text, function(dir)
        return content.extract(repository, found.manifest, dir, true)
    end)
    self.path = self.tree.path
end

-- Calls `use(cache, …)` with the board's cache, or one for this once when that is turned
-- off. Returns the folder of such a one, which the caller removes.
local function with_cache(board, use, ...)
    local cache, temporary = open_cache(board)
    local ok, reason = xpcall(use, errors.wrap, cache, ...)
    if not ok then
        if temporary then
            sys.remove_tree(temporary)
        end
        error(reason, 0)
    end
    return temporary
end

--- Fetches a bundle, or finds it in the cache. Raises.
---@param text string   a reference
---@param settings jflash.OciSettings
---@param board {cache_dir: string|nil, cache_limit: integer}
---@return jflash.PulledBundle to be closed
function M.pull(text, settings, board)
    local self = setmetatable({}, Pulled)
    self.temporary = with_cache(board, pull, self, parse(text), settings)
    return self
end

-- The folder that is to be made: not there yet, or empty.
local function check_target(dir)
    if sys.stat(dir) and #errors.check("config", sys.list(dir)) > 0 then
        errors.raise({ class = "config", code = "usage", message = dir .. ": is not empty",
            hint = "name a folder that is not there yet, or remove what is in it" })
    end
end

local function pull_into(cache, self, reference, settings, dir)
    local repository <close> = repositories.open(reference, settings, cache)
    local found = repository:resolve()
    note(self, reference, found)
    local new = ("%s.%s"):format(dir, sys.random_hex(4))
    errors.check("host", sys.mkdir(new, { mode = 493 }))
    local ok, reason = xpcall(function()
        content.extract(repository, found.manifest, new)
        errors.check("host", sys.rename(new, dir))
    end, errors.wrap)
    if not ok then
        sys.remove_tree(new)
        error(reason, 0)
    end
    self.path = dir
end

--- Fetches a bundle into a folder of one's own, which must not be there, or be empty.
---@param text string  a reference
---@param dir string
---@param settings jflash.OciSettings
---@param board {cache_dir: string|nil, cache_limit: integer}
---@return jflash.PulledBundle to be closed; the folder stays
function M.pull_into(text, dir, settings, board)
    dir = dir:gsub("(.)/+$", "%1")
    check_target(dir)
    local self = setmetatable({}, Pulled)
    self.temporary = with_cache(board, pull_into, self, parse(text), settings, dir)
    return self
end

--- What a reference means, without its content.
---@param text string  a reference
---@param settings jflash.OciSettings
---@param board {cache_dir: string|nil, cache_limit: integer}
---@return {reference: string, digest: string, tag_digest: string, manifest: table}
function M.look_up(text, settings, board)
    local reference, self = parse(text), {}
    local temporary = with_cache(board, function(cache)
        local repository <close> = repositories.open(reference, settings, cache)
        local found = repository:resolve()
        self.reference, self.digest, self.tag_digest = reference.text, found.digest, found.tag_digest
        self.manifest = found.manifest
    end)
    if temporary then
        sys.remove_tree(temporary)
    end
    return self
end

--- Writes the digest that the reference has now into a folder's lock file.
---@param folder string
---@return string path
function Pulled:write_lock(folder)
    return lockfile.write(folder, self.reference, self.tag_digest)
end

--- Closes it: its folder may go away from now on.
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
