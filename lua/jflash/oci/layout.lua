-- SPDX-License-Identifier: Apache-2.0
--
-- A folder in the OCI image layout (image specification 1.1, "OCI Image Layout"), as
-- `skopeo copy … oci:DIR:TAG` makes it, with the interface of a repository. Its blobs are
-- used where they lie, and compared with their digests like all others.

local caches = require("jflash.cache")
local errors = require("jflash.errors")
local image = require("jflash.image")
local platform = require("jflash.oci.platform")
local registry = require("jflash.registry")
local signatures = require("jflash.oci.signature")
local sys = require("jflash.sys")

local M = {}

local TAG = "org.opencontainers.image.ref.name"
local MANIFEST_LIMIT = 8 << 20

---@class jflash.OciLayout: jflash.OciRepository
---@field is_local true
local Layout = { is_local = true }
Layout.__index = Layout

--- Opens a layout.
---@param reference table  of kind "layout"
---@param settings jflash.OciSettings
---@param cache jflash.Cache
---@return jflash.OciLayout to be closed
function M.open(reference, settings, cache)
    return setmetatable({ reference = reference, settings = settings, cache = cache }, Layout)
end

local function fail(self, message, code, hint)
    errors.raise({ class = "source", code = code or "protocol",
        message = ("%s: %s"):format(self.reference.text, message), hint = hint })
end

function Layout:path(file)
    return ("%s/%s"):format(self.reference.path, file)
end

local function blob_file(digest)
    return "blobs/sha256/" .. digest:match("^sha256:(%x+)$")
end

local function read(self, file, content_type)
    local path = self:path(file)
    local text = errors.check("source", sys.read_file(path, { limit_bytes = MANIFEST_LIMIT }))
    return errors.check("source", registry.manifest(text, { name = path, content_type = content_type })), text
end

-- All manifests in the layout.
local function read_index(self)
    if not sys.stat(self:path("oci-layout")) then
        fail(self, ("%s is no OCI image layout: it has no file oci-layout"):format(self.reference.path), "missing",
            "skopeo copy … oci:DIR:TAG makes one, and jflash bundle push DIR oci-layout:DIR:TAG")
    end
    local index = read(self, "index.json", "application/vnd.oci.image.index.v1+json")
    return index.manifests or fail(self, "its index.json is no index")
end

local function list_tags(entries)
    local tags = {}
    for _, entry in ipairs(entries) do
        table.insert(tags, entry.annotations[TAG] or entry.digest)
    end
    return #tags == 0 and "nothing" or table.concat(tags, ", ")
end

local function fits(entry, reference)
    if reference.digest then
        return entry.digest == reference.digest
    end
    return not reference.tag or entry.annotations[TAG] == reference.tag
end

-- The digest of the one manifest that the reference means.
local function find(self)
    local entries, found = read_index(self), {}
    for _, entry in ipairs(entries) do
        if fits(entry, self.reference) then
            table.insert(found, entry)
        end
    end
    if self.reference.digest and #found == 0 and sys.stat(self:path(blob_file(self.reference.digest))) then
        return self.reference.digest
    elseif #found ~= 1 then
        fail(self, ("%s; it has %s"):format(#found == 0 and "nothing in it is meant by this"
            or "several manifests, and which one is meant is not known", list_tags(entries)), "missing",
            "name one: oci-layout:DIR:TAG")
    end
    return found[1].digest
end

local function by_digest(self, digest)
    local manifest, text = read(self, blob_file(digest))
    if image.sha256(text) ~= digest:match(":(.*)$") then
        fail(self, ("%s is not what its name says"):format(self:path(blob_file(digest))), "checksum")
    end
    return { digest = digest, text = text, manifest = manifest }
end

--- As that of a repository.
---@return jflash.OciFound
function Layout:resolve()
    local found = by_digest(self, find(self))
    local first = found
    if found.manifest.manifests then
        found = by_digest(self, platform.choose(found.manifest, self.settings.arch, self.reference.text).digest)
    end
    if found.manifest.manifests then
        fail(self, "an index of indexes, which jflash does not look into", "unsupported")
    end
    found.tag_digest = first.digest
    signatures.check(self, found)
    return found
end

--- A manifest by a tag, as a signature has one; nil when there is none.
---@param tag string
---@return jflash.OciFound|nil
function Layout:find_tag(tag)
    for _, entry in ipairs(read_index(self)) do
        if entry.annotations[TAG] == tag then
            return by_digest(self, entry.digest)
        end
    end
    return nil
end

--- A blob where it lies; who uses it compares it with its digest.
---@param descriptor {digest: string, size: integer}
---@return {path: string, sha256: string, close: fun()}
function Layout:blob(descriptor)
    local path = self:path(blob_file(descriptor.digest))
    local info = errors.check("source", sys.stat(path))
    if info.type ~= "file" or info.size ~= descriptor.size then
        fail(self, ("%s has %d bytes, the manifest says %d"):format(path, info.size or 0, descriptor.size))
    end
    return { path = path, sha256 = descriptor.digest:match(":(.*)$"), close = function() end }
end

--- As that of a repository: here all is there already.
---@param descriptors {digest: string, size: integer}[]
---@return table<string, {path: string, sha256: string, close: fun()}>
function Layout:fetch(descriptors)
    local held = {}
    for _, descriptor in ipairs(descriptors) do
        local blob = self:blob(descriptor)
        if caches.sha256_file(blob.path) ~= blob.sha256 then
            fail(self, blob.path .. " is not what its name says", "checksum")
        end
        held[descriptor.digest] = blob
    end
    return held
end

function Layout.close() end
Layout.__close = Layout.close

return M
