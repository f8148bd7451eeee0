-- SPDX-License-Identifier: Apache-2.0
--
-- Blobs into the cache, several at a time. One that another run fetches is waited
-- for, not fetched twice; what a run that died had fetched is gone on with. A wrong
-- digest leaves nothing.

local errors = require("jflash.errors")
local failure = require("jflash.oci.failure")
local log = require("jflash.log")
local sys = require("jflash.sys")

local M = {}

local AT_A_TIME = 4
local POLL_S = 0.02

---@class jflash.OciFetch
---@field descriptor {digest: string, size: integer}
---@field claim jflash.Claim
---@field download table|nil

-- Each digest once, in one order for all runs: two that wait for each other's blobs
-- would else wait for ever.
local function in_order(descriptors)
    local list, seen = {}, {}
    for _, descriptor in ipairs(descriptors) do
        if not seen[descriptor.digest] then
            seen[descriptor.digest] = true
            table.insert(list, descriptor)
        end
    end
    table.sort(list, function(first, second)
        return first.digest < second.digest
    end)
    return list
end

local function hex(descriptor)
    return descriptor.digest:match(":(.*)$")
end

-- The blob from the cache, if it has the right size.
local function find(cache, descriptor)
    local blob = cache:find(hex(descriptor))
    if blob and sys.stat(blob.path).size ~= descriptor.size then
        cache:drop(blob)
        return nil
    end
    return blob
end

local function start(repository, one)
    local claim, descriptor = one.claim, one.descriptor
    local offset = math.min(claim.offset, math.max(descriptor.size - 1, 0))
    claim:note({ total = descriptor.size })
    one.resumed = offset > 0
    local message, code, errno
    one.download, message, code, errno = repository:client():blob(descriptor.digest, descriptor.size, claim.path,
        { offset = offset })
    if not one.download then
        failure.raise(repository, { message = message, code = code, errno = errno })
    end
end

-- Begins with one that is not in the cache; nil when it turned out to be there.
local function begin(repository, descriptor, held, meanwhile)
    local cache = repository.cache
    local claim = cache:claim(descriptor.digest, descriptor.digest, meanwhile)
    local blob = find(cache, descriptor) -- another run may have brought it meanwhile
    if blob then
        claim:close()
        held[descriptor.digest] = blob
        return nil
    end
    local one = { descriptor = descriptor, claim = claim }
    local ok, reason = xpcall(start, errors.wrap, repository, one)
    if not ok then
        claim:close()
        error(reason, 0)
    end
    return one
end

local function stop(one)
    if one.download then
        one.download:close()
        one.download = nil
    end
    one.claim:close()
end

-- What did arrive is kept for a later run, except when it is wrong.
local function fail(repository, one, message, code, errno)
    local seen = one.download:failure() or {}
    one.download:close()
    one.download = nil
    if code == "checksum" then
        one.claim:discard()
    end
    failure.raise(repository, { message = message, code = code, errno = errno, status = seen.status })
end

-- True when it is in the cache; false when it begins anew.
local function finish(repository, one, held)
    local result, message, code, errno = one.download:wait()
    if not result and code == "checksum" and one.resumed then
        log.warn("%s; what an earlier run had left is thrown away", message)
        one.download:close()
        one.claim:discard()
        one.claim.offset = 0
        start(repository, one)
        return false
    elseif not result then
        fail(repository, one, message, code, errno)
    end
    local blob = one.claim:store(result)
    blob.is_proven = true -- it has just been hashed
    held[one.descriptor.digest] = blob
    stop(one)
    return true
end

-- One fetch of several blobs.
---@class jflash.OciFetcher
---@field repository jflash.OciRepository
---@field wanted table[]    descriptors that are to come, the next one last
---@field active jflash.OciFetch[]
---@field held table<string, jflash.Blob>
---@field total integer     bytes
---@field done integer      bytes of those that have come
local Fetcher = {}
Fetcher.__index = Fetcher

local function new_fetcher(repository, descriptors)
    local self = setmetatable({ repository = repository, wanted = {}, active = {}, held = {}, total = 0, done = 0 },
        Fetcher)
    for _, descriptor in ipairs(in_order(descriptors)) do
        self.held[descriptor.digest] = find(repository.cache, descriptor)
        if not self.held[descriptor.digest] then
            table.insert(self.wanted, 1, descriptor)
            self.total = self.total + descriptor.size
        end
    end
    return self
end

function Fetcher:make_room()
    local cache = self.repository.cache
    cache:trim(self.total)
    local free = sys.free_bytes(cache.path)
    if free and self.total > free then
        errors.raise({ class = "host", code = "io", errno = "ENOSPC",
            message = ("%s: no space for %s: %d bytes are needed, %d are free"):format(cache.path,
                self.repository.reference.text, self.total, free),
            hint = "make room (jflash cache prune), or set cache_dir to a larger place" })
    end
end

function Fetcher:show()
    local bytes = self.done
    for _, one in ipairs(self.active) do
        bytes = bytes + one.download:progress().bytes
    end
    log.progress("pull", bytes, self.total)
end

-- Takes those in that have come; waits a moment when there are none.
function Fetcher:advance()
    local any = false
    for index = #self.active, 1, -1 do
        local one = self.active[index]
        if one.download:progress().done then
            any = true
            if finish(self.repository, one, self.held) then
                self.done = self.done + one.descriptor.size
                table.remove(self.active, index)
            end
        end
    end
    if not any and self.active[1] then
        local _, message, code = self.active[1].download:wait({ timeout_s = POLL_S })
        if code == "cancelled" then
            errors.check("source", nil, message, code)
        end
    end
end

function Fetcher:run()
    self:make_room()
    while #self.wanted > 0 or #self.active > 0 do
        while #self.wanted > 0 and #self.active < AT_A_TIME do
            table.insert(self.active, begin(self.repository, table.remove(self.wanted), self.held, function()
                self:advance()
            end))
        end
        self:advance()
        self:show()
    end
end

function Fetcher:abandon()
    for _, one in ipairs(self.active) do
        stop(one)
    end
    M.release(self.held)
end

--- Fetches what is not in the cache yet.
---@param repository jflash.OciRepository
---@param descriptors {digest: string, size: integer}[]
---@return table<string, jflash.Blob> by digest; each held, to be closed; `is_proven`: its
---  digest was compared just now
function M.fetch(repository, descriptors)
    local fetcher = new_fetcher(repository, descriptors)
    local ok, reason = xpcall(fetcher.run, errors.wrap, fetcher)
    if not ok then
        fetcher:abandon()
        error(reason, 0)
    end
    return fetcher.held
end

--- Closes blobs that fetch has given.
---@param held table<string, jflash.Blob>
function M.release(held)
    for _, blob in pairs(held) do
        blob:close()
    end
end

return M
