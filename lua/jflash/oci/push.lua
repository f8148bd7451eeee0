-- SPDX-License-Identifier: Apache-2.0
--
-- A bundle's folder as an artifact, into a registry or an image layout: a layer per file
-- under its title, as `oras push` lays it out, with the types that public bundles have.
-- The same files give the same digest: nothing in it tells when or where it was made.

local bundles = require("jflash.bundle")
local caches = require("jflash.cache")
local errors = require("jflash.errors")
local failure = require("jflash.oci.failure")
local image = require("jflash.image")
local json = require("jflash.json")
local log = require("jflash.log")
local references = require("jflash.oci.reference")
local registry = require("jflash.registry")
local repositories = require("jflash.oci.repository")
local sys = require("jflash.sys")

local M = {}

local TITLE = "org.opencontainers.image.title"
local TAG = "org.opencontainers.image.ref.name"
local MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
local INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
local ARTIFACT_TYPE = "application/vnd.oci.bundle.v1"
local EMPTY = { mediaType = "application/vnd.oci.empty.v1+json", bytes = "{}" }
-- Where jflash.bundle ends its lists.
local MOST_FILES = 1000
local FOLDER_MODE, FILE_MODE = 493, 420 -- 0755 and 0644: layouts are for others too

------------------------------------------------------------------------------
-- The artifact

local function media_type(name)
    return name:find("%.ya?ml$") and "application/yaml" or "application/octet-stream"
end

-- A file of the bundle, and what is under a link's name too: layers have no links.
local function layer_of(bundle, name)
    local path, size = bundle:path(name)
    local ok, message = registry.check_name(name)
    if not ok then
        errors.raise({ class = "config", code = "unsupported", message = ("%s: %s"):format(bundle.dir, message) })
    end
    return { path = path, descriptor = { mediaType = media_type(name), size = size,
        digest = "sha256:" .. caches.sha256_file(path), annotations = { [TITLE] = name } } }
end

-- Names that begin with a dot are an editor's, or version control's.
local function is_hidden(name)
    return ("/" .. name):find("/.", 1, true) ~= nil
end

local function layers_of(bundle)
    local layers, names = {}, bundle:list()
    if #names >= MOST_FILES then
        errors.raise({ class = "config", code = "unsupported",
            message = ("%s: has %d files or more, which is no bundle"):format(bundle.dir, MOST_FILES) })
    end
    for _, name in ipairs(names) do
        if not is_hidden(name) then
            table.insert(layers, layer_of(bundle, name))
        end
    end
    return layers
end

---An artifact before it is pushed.
---@class jflash.OciArtifact
---@field text string    the manifest
---@field digest string  of the manifest
---@field layers {path: string, descriptor: table}[]

--- A bundle's folder as an artifact. Raises class config when it is no sound bundle.
---@param dir string
---@param options {manifest: string|nil, annotations: table<string, string>|nil}
---@return jflash.OciArtifact
function M.artifact(dir, options)
    local bundle <close> = bundles.open(dir, { manifest = options.manifest, strict = true })
    bundle:check()
    local layers, descriptors = layers_of(bundle), {}
    for index, layer in ipairs(layers) do
        descriptors[index] = layer.descriptor
    end
    local annotations = { [TITLE] = bundle.manifest.name }
    for key, value in pairs(options.annotations or {}) do
        annotations[key] = value
    end
    local text = json.encode({
        schemaVersion = 2,
        mediaType = MANIFEST_TYPE,
        artifactType = ARTIFACT_TYPE,
        config = { mediaType = EMPTY.mediaType, size = #EMPTY.bytes, digest = "sha256:" .. image.sha256(EMPTY.bytes) },
        layers = descriptors,
        annotations = annotations,
    })
    return { text = text, digest = "sha256:" .. image.sha256(text), layers = layers }
end

------------------------------------------------------------------------------
-- Into a registry

local function check(repository, value, message, code, errno)
    if value ~= nil then
        return value
    elseif code == "cancelled" then
        return errors.check("source", nil, message, code)
    end
    local seen = repository:client():failure()
    return failure.raise(repository, { message = message, code = code, errno = errno, status = seen.status,
        no_tls = seen.no_tls })
end

local function push_blob(repository, name, digest, size, path)
    local client = repository:client()
    if check(repository, client:has_blob(digest, size)) then
        log.info("%s: there already", name)
        return
    end
    check(repository, client:put_blob(digest, size, path))
    log.info("%s: %s pushed", name, log.size(size))
end

-- The empty configuration is a file for a moment, as what is sent is one.
local function push_empty(repository)
    local dir = errors.check("host", sys.temp_dir("jflash-push-"))
    local ok, reason = xpcall(function()
        local path = dir .. "/empty"
        errors.check("host", sys.write_file(path, EMPTY.bytes))
        push_blob(repository, "the empty configuration", "sha256:" .. image.sha256(EMPTY.bytes), #EMPTY.bytes, path)
    end, errors.wrap)
    sys.remove_tree(dir)
    if not ok then
        error(reason, 0)
    end
end

local function push_to_registry(artifact, repository)
    local pushed = {} -- two files may be one blob
    for _, layer in ipairs(artifact.layers) do
        local descriptor = layer.descriptor
        if not pushed[descriptor.digest] then
            push_blob(repository, descriptor.annotations[TITLE], descriptor.digest, descriptor.size, layer.path)
        end
        pushed[descriptor.digest] = true
    end
    push_empty(repository)
    local tag = repository.reference.tag or artifact.digest
    check(repository, repository:client():put_manifest(tag, artifact.text, MANIFEST_TYPE))
end

------------------------------------------------------------------------------
-- Into a layout

local function put_bytes(path, bytes)
    errors.check("host", sys.write_file(path, bytes, { mode = FILE_MODE }))
end

local function put_file(blobs, layer)
    local hex = layer.descriptor.digest:match(":(.*)$")
    if not sys.stat(("%s/%s"):format(blobs, hex)) then
        errors.check("host", registry.place(layer.path, blobs, hex, hex))
    end
end

-- The index with the artifact instead of what had its tag.
local function new_index(path, reference, artifact)
    local text = sys.stat(path) and errors.check("config", sys.read_file(path, { limit_bytes = 8 << 20 }))
    local index = text and errors.check("config", json.decode(text, path))
        or { schemaVersion = 2, mediaType = INDEX_TYPE }
    local entries = setmetatable({}, json.array)
    for _, entry in ipairs(index.manifests or {}) do
        local tag = (entry.annotations or {})[TAG]
        if entry.digest ~= artifact.digest and (not reference.tag or tag ~= reference.tag) then
            table.insert(entries, entry)
        end
    end
    table.insert(entries, { mediaType = MANIFEST_TYPE, artifactType = ARTIFACT_TYPE, digest = artifact.digest,
        size = #artifact.text, annotations = reference.tag and { [TAG] = reference.tag } })
    index.manifests = entries
    return json.encode(index)
end

-- What names the content comes last.
local function push_to_layout(artifact, reference)
    local dir = reference.path
    local blobs = dir .. "/blobs/sha256"
    errors.check("host", sys.mkdir(blobs, { parents = true, mode = FOLDER_MODE }))
    for _, layer in ipairs(artifact.layers) do
        put_file(blobs, layer)
    end
    put_bytes(("%s/%s"):format(blobs, image.sha256(EMPTY.bytes)), EMPTY.bytes)
    put_bytes(("%s/%s"):format(blobs, artifact.digest:match(":(.*)$")), artifact.text)
    put_bytes(dir .. "/oci-layout", '{"imageLayoutVersion":"1.0.0"}')
    put_bytes(dir .. "/index.json", new_index(dir .. "/index.json", reference, artifact))
end

------------------------------------------------------------------------------

local function parse(text)
    local reference = references.parse(text)
    if reference.kind == "directory" or reference.digest then
        errors.raise({ class = "config", code = "usage",
            message = ("%s: is no place to push to"):format(reference.text),
            hint = "as in oci://HOST/NAME:TAG, or oci-layout:DIR:TAG: the digest follows from the content" })
    end
    return reference
end

--- Pushes a bundle's folder. What is there already is not sent again. Raises.
---@param dir string
---@param text string  the reference
---@param options {manifest: string|nil, annotations: table<string, string>|nil}
---@param settings jflash.OciSettings
---@return string reference  in full
---@return string digest     of the manifest
function M.push(dir, text, options, settings)
    local reference = parse(text)
    local artifact = M.artifact(dir, options)
    if reference.kind == "layout" then
        push_to_layout(artifact, reference)
    else
        local own = setmetatable({ actions = "pull,push" }, { __index = settings })
        local repository <close> = repositories.open(reference, own)
        push_to_registry(artifact, repository)
    end
    log.info("bundle %s: %s", reference.text, artifact.digest)
    return reference.text, artifact.digest
end

return M
