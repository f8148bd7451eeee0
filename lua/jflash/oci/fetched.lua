-- SPDX-License-Identifier: Apache-2.0
--
-- Layers, and files in them, as what jflash.fetch gives for URLs: they can be read while
-- they arrive, and stay in the cache. A layer has the digest that its manifest says, or
-- it is not there.

local errors = require("jflash.errors")
local failure = require("jflash.oci.failure")
local fetch = require("jflash.fetch")
local log = require("jflash.log")
local registry = require("jflash.registry")
local sys = require("jflash.sys")

local M = {}

------------------------------------------------------------------------------
-- A layer

---@class jflash.OciFetchedLayer: jflash.Fetched
---@field repository jflash.OciRepository
---@field descriptor table
local Layer = setmetatable({}, { __index = fetch.Fetched })
Layer.__index = Layer

local function hex(descriptor)
    return descriptor.digest:match(":(.*)$")
end

local function find(self)
    local blob = self.cache:find(hex(self.descriptor))
    if blob and sys.stat(blob.path).size ~= self.descriptor.size then
        self.cache:drop(blob)
        return nil
    elseif blob then
        log.info("%s: in the cache", self.name)
        self.from_cache = true
        self:use_blob(blob)
    end
    return blob
end

local function start(self)
    local claim, descriptor = self.claim, self.descriptor
    local offset = math.min(claim.offset, math.max(descriptor.size - 1, 0))
    claim:note({ total = descriptor.size })
    self.is_resumed = offset > 0
    local message, code, errno
    self.download, message, code, errno = self.repository:client():blob(descriptor.digest, descriptor.size,
        claim.path, { offset = offset })
    if not self.download then
        failure.raise(self.repository, { message = message, code = code, errno = errno })
    end
    self:check_space(descriptor.size)
    log.info("%s: %s%s", self.name, log.size(descriptor.size),
        offset > 0 and ", of which " .. log.size(offset) .. " were here already" or "")
end

local function obtain(self)
    if self.repository.is_local then
        return self:use_blob(self.repository:blob(self.descriptor))
    elseif find(self) then
        return
    end
    self.claim = self.cache:claim(self.descriptor.digest, self.name, function()
        fetch.settle_others(self)
    end)
    self.path = self.claim.path
    if find(self) then -- another run has brought it meanwhile
        self.claim:close()
        self.claim = nil
        return
    end
    start(self)
end

--- Begins to fetch a layer, or finds it in the cache. Raises class source, or host.
---@param repository jflash.OciRepository
---@param descriptor table  see registry.manifest
---@param name string       for people
---@return jflash.OciFetchedLayer to be closed
function M.layer(repository, descriptor, name)
    return fetch.begin(setmetatable({ repository = repository, descriptor = descriptor, name = name,
        cache = repository.cache, from_cache = false }, Layer), obtain)
end

-- A wrong digest: nothing of it is kept. What an earlier run had left may be at fault.
function Layer:is_spoiled(seen) -- luacheck: no self
    return seen.code == "checksum"
end

function Layer:raise(seen, errno)
    self.is_stale = seen.code == "checksum" and self.is_resumed
    local ok, reason = pcall(failure.raise, self.repository, { message = seen.message, code = seen.code,
        errno = errno, status = seen.status })
    if not ok and self.is_stale then
        reason.retry, reason.at = 1, "shell"
    end
    error(reason, 0)
end

--- Forgets a copy that is not what its digest says.
function Layer:drop()
    if self.repository.is_local then
        errors.raise({ class = "source", code = "checksum",
            message = ("%s: its content is not what its digest says"):format(self.name) })
    end
    fetch.Fetched.drop(self)
end

------------------------------------------------------------------------------
-- A file in a layer that is an archive

---@class jflash.OciFetchedMember: jflash.Fetched
---@field layer jflash.OciFetchedLayer|nil  nil: the file is in the cache
local Member = setmetatable({}, { __index = fetch.Fetched })
Member.__index = Member

-- What a file is kept under: it follows from the layer and the pattern.
local function place_of(descriptor, pattern)
    return ("oci-member://%s/%s"):format(descriptor.digest, (pattern or ""):gsub("#", "%%23"))
end

local function recall(self)
    local blob = self.cache:recall(self.url)
    if blob then
        log.info("%s: in the cache", self.name)
        self.from_cache = true
        self:use_blob(blob)
    end
    return blob
end

local function unpack(self)
    local options, layer = self.options, self.layer
    self.claim:discard()
    local complete = layer:is_complete()
    self.download = errors.check("host", registry.member({
        name = self.name, pattern = options.pattern, file = self.claim.path, limit_bytes = options.limit_bytes,
        archive = complete and layer.path or nil,
        sha256 = complete and hex(options.descriptor) or nil,
        download = not complete and layer.download or nil,
    }))
end

local function wait_found(self)
    local answer, message, code, errno = self.download:answer()
    if code == "cancelled" then
        errors.check("source", nil, message, code)
    elseif not answer then
        self.layer:check()
        self:raise(self.download:failure(), errno)
    end
    self:check_space(answer.total)
end

local function obtain_member(self)
    if recall(self) then
        return
    end
    local options = self.options
    self.layer = M.layer(options.repository, options.descriptor, self.name)
    self.claim = self.cache:claim(self.url, self.name, function()
        fetch.settle_others(self)
    end)
    self.path = self.claim.path
    if recall(self) then
        self.claim:close()
        self.claim = nil
        return
    end
    unpack(self)
    wait_found(self)
end

---What is looked for, and where.
---@class jflash.OciMemberOptions
---@field repository jflash.OciRepository
---@field descriptor table      of the layer
---@field pattern string|nil    a glob; nil: the only file
---@field limit_bytes integer   that the layer may unpack to

--- Begins to fetch a file that is in a layer. Waits until it is found; raises class
--- source, with status 404, when there is none.
---@param options jflash.OciMemberOptions
---@param name string  for people
---@return jflash.OciFetchedMember to be closed
function M.member(options, name)
    return fetch.begin(setmetatable({ options = options, name = name, cache = options.repository.cache,
        url = place_of(options.descriptor, options.pattern), from_cache = false }, Member), obtain_member)
end

function Member:is_spoiled() -- luacheck: no self
    return true -- the file begins anew in any case
end

-- The archive is the first cause to look at. A copy of it in the cache that is damaged
-- is thrown away, and the step repeated with another.
function Member:raise(seen, errno)
    if self.layer then
        self.layer:check()
    end
    local damaged = seen.code == "checksum" and self.layer and self.layer.from_cache
    if damaged then
        log.warn("%s: the copy in the cache is damaged, and fetched again", self.name)
        self.layer:drop()
    end
    self.is_stale = damaged
    errors.raise({ class = errno and "host" or "source", code = seen.code, errno = errno, message = seen.message,
        retry = damaged and 1 or 0, at = damaged and "shell" or nil, status = seen.status,
        hint = (seen.status == 404 or seen.status == 300) and "--file-pattern GLOB says which file is meant" or nil })
end

--- As that of jflash.fetch. The layer is whole before the file is.
---@return boolean
function Member:is_complete()
    local whole = fetch.Fetched.is_complete(self)
    if self.layer then
        self.layer:is_complete()
    end
    return whole
end

function Member:close()
    fetch.Fetched.close(self)
    if self.layer then
        self.layer:close()
        self.layer = nil
    end
end
Member.__close = Member.close
Layer.__close = fetch.Fetched.close

return M
