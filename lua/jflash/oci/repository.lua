-- SPDX-License-Identifier: Apache-2.0
--
-- One repository at a registry, over the cache: manifests by tag or digest, and what
-- is here already is not asked for again.
--
--     local repository <close> = repositories.open(reference, settings, cache)
--     local found = repository:resolve()
--     print(found.digest, #found.manifest.layers)

local blobs = require("jflash.oci.blobs")
local credentials = require("jflash.oci.credentials")
local errors = require("jflash.errors")
local failure = require("jflash.oci.failure")
local image = require("jflash.image")
local layouts = require("jflash.oci.layout")
local lockfile = require("jflash.oci.lockfile")
local log = require("jflash.log")
local platform = require("jflash.oci.platform")
local registry = require("jflash.registry")
local runtime = require("jflash.runtime")
local signatures = require("jflash.oci.signature")
local sys = require("jflash.sys")

local M = {}

---@class jflash.OciRepository
---@field reference table             see registry.parse
---@field settings jflash.OciSettings
---@field cache jflash.Cache
---@field credentials jflash.OciCredentials|nil  known once the registry was asked
local Repository = {}
Repository.__index = Repository

---A manifest that a reference means.
---@class jflash.OciFound
---@field digest string     of the manifest: sha256:…
---@field tag_digest string what the reference itself has; of an index, if it is one
---@field manifest table    see registry.manifest
---@field text string       its bytes

--- Prepares; asks nobody yet.
---@param reference table  of a registry, or of a layout
---@param settings jflash.OciSettings
---@param cache jflash.Cache|nil  not needed for pushing
---@return jflash.OciRepository to be closed
function M.open(reference, settings, cache)
    if reference.kind == "layout" then
        return layouts.open(reference, settings, cache)
    end
    return setmetatable({ reference = reference, settings = settings, cache = cache }, Repository)
end

local function client_options(self, known)
    local settings = self.settings
    local options = {
        host = self.reference.host,
        repository = self.reference.name,
        actions = settings.actions,
        user = known and known.user,
        password = known and known.password,
        identity_token = known and known.identity_token,
        cacert = settings.cacert,
        insecure = settings.insecure,
        plain_http = settings.plain_http,
        retries = settings.retries,
        user_agent = "jflash/" .. runtime.version,
    }
    for key, value in pairs(settings.client or {}) do
        options[key] = value
    end
    return options
end

--- The client, made when the registry is asked first.
function Repository:client()
    if not self.opened then
        if self.settings.offline then
            errors.raise({
                class = "source", code = "missing",
                message = ("%s: not all of it is in the cache, and --offline forbids to ask the registry"):format(
                    self.reference.text),
                hint = ("run without --offline once: jflash bundle pull %s"):format(self.reference.text),
            })
        end
        self.credentials = credentials.find(self.reference, self.settings.login)
        self.opened = errors.check("host", registry.open(client_options(self, self.credentials)))
    end
    return self.opened
end

-- The text of the manifest with this digest, from the cache.
local function from_cache(self, digest)
    local blob <close> = self.cache:find(digest:match(":(.*)$"))
    local text = blob and sys.read_file(blob.path, { limit_bytes = 8 << 20 })
    if text and image.sha256(text) == blob.sha256 then
        return text
    elseif text then
        log.warn("cache: the manifest %s is damaged, and fetched again", digest)
        self.cache:drop(blob)
    end
    return nil
end

-- What a manifest by this tag or digest is kept under.
local function place_of(self, what)
    local joint = what:find(":", 1, true) and "@" or ":"
    return ("oci://%s/%s%s%s"):format(self.reference.host, self.reference.name, joint, what)
end

local function fetch(self, what)
    local client = self:client()
    local got, message, code, errno = client:manifest(what)
    if not got then
        local seen = client:failure()
        if code == "cancelled" then
            errors.check("source", nil, message, code)
        end
        failure.raise(self, { message = message, code = code, errno = errno, status = seen.status,
            no_tls = seen.no_tls })
    end
    local name = place_of(self, what)
    local manifest = errors.check("source", registry.manifest(got.text, { name = name,
        content_type = got.media_type }))
    self.cache:keep(name, got.text):close()
    return { digest = got.digest, text = got.text, manifest = manifest }
end

local function by_digest(self, digest)
    local text = from_cache(self, digest)
    if text then
        local manifest = errors.check("source", registry.manifest(text, { name = place_of(self, digest) }))
        return { digest = digest, text = text, manifest = manifest }
    end
    return fetch(self, digest)
end

-- What the tag was when it was last asked for.
local function recall(self, tag)
    local blob <close> = self.cache:recall(place_of(self, tag))
    return blob and by_digest(self, "sha256:" .. blob.sha256)
end

local function by_tag(self, tag)
    local digest, path = lockfile.find(self.settings.lock_folders or {}, self.reference.text)
    if digest then
        log.info("%s: %s, as %s says", self.reference.text, digest, path)
        return by_digest(self, digest)
    elseif self.settings.offline then
        local found = recall(self, tag)
        if found then
            log.info("%s: %s, as it was when the registry was last asked", self.reference.text, found.digest)
            return found
        end
    end
    return fetch(self, tag)
end

--- A manifest by a tag, as a signature has one; nil when there is none. Raises.
---@param tag string
---@return jflash.OciFound|nil
function Repository:find_tag(tag)
    if self.settings.offline then
        return recall(self, tag)
    end
    local ok, found = xpcall(fetch, errors.wrap, self, tag)
    if ok then
        return found
    elseif found.status == 404 then
        return nil
    end
    return error(found, 0)
end

--- Finds the manifest that the reference means; of an index the one for the
--- settings' architecture, and what the settings' key has signed. Raises.
---@return jflash.OciFound
function Repository:resolve()
    local reference = self.reference
    local found = reference.digest and by_digest(self, reference.digest) or by_tag(self, reference.tag)
    local first = found
    if found.manifest.manifests then
        local entry = platform.choose(found.manifest, self.settings.arch, reference.text)
        found = by_digest(self, entry.digest)
    end
    if found.manifest.manifests then
        errors.raise({ class = "source", code = "unsupported",
            message = reference.text .. ": an index of indexes, which jflash does not look into" })
    end
    found.tag_digest = first.digest
    signatures.check(self, found)
    return found
end

--- Fetches blobs that are not in the cache yet, several at a time. Raises.
---@param descriptors {digest: string, size: integer}[]
---@return table<string, jflash.Blob> by digest; each held, to be closed
function Repository:fetch(descriptors)
    return blobs.fetch(self, descriptors)
end

function Repository:close()
    if self.opened then
        self.opened:close()
        self.opened = nil
    end
end
Repository.__close = Repository.close

return M
