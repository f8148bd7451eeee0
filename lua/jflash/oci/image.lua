-- SPDX-License-Identifier: Apache-2.0
--
-- Images in registries: which layer holds what is to be written, and that as a source
-- of jflash.pieces.
--
-- A layer is the image itself, whatever its compression, or an archive (tar, plain, gzip
-- or zstd) with the image as a file in it. Layers that say for which partition they are
-- become pieces of one run. What must arrive is known by its digest, so all of it is
-- proven before the first write.

local annotations = require("jflash.oci.annotations")
local caches = require("jflash.cache")
local errors = require("jflash.errors")
local fetched = require("jflash.oci.fetched")
local layers = require("jflash.oci.layers")
local log = require("jflash.log")
local references = require("jflash.oci.reference")
local registry = require("jflash.registry")
local remote = require("jflash.remote")
local repositories = require("jflash.oci.repository")
local schema = require("jflash.schema")
local settings = require("jflash.oci.settings")

local M = {}

-- Larger than any storage that a board has: what an archive may unpack to.
local MOST_BYTES = 1 << 40
-- What a tar archive adds to the file in it, and other files beside that.
local SLACK_BYTES = 64 << 20

--- Whether an image is named by a reference.
---@param text string
---@return boolean
function M.is_one(text)
    return text:find("^oci://") ~= nil or text:find("^oci%-layout:") ~= nil
end

------------------------------------------------------------------------------
-- Which layers

local function fail(name, message, hint)
    errors.raise({ class = "source", code = "protocol", message = ("%s: %s"):format(name, message), hint = hint })
end

local function title_of(layer)
    return layer.annotations[layers.TITLE]
end

local function list_titles(found)
    local titles = {}
    for index, layer in ipairs(found) do
        titles[index] = title_of(layer) and schema.quoted(title_of(layer)) or "one without a title"
    end
    return table.concat(titles, ", ")
end

-- Layers that are images, and layers that are archives, the last one first: as in the
-- file systems of containers, it covers those before it.
local function sort_out(manifest)
    local plain, archives = {}, {}
    for _, layer in ipairs(manifest.layers) do
        if layers.is_archive(layer) then
            table.insert(archives, 1, layer)
        elseif not layers.is_empty(layer) then
            table.insert(plain, layer)
        end
    end
    return plain, archives
end

local function filter(plain, pattern)
    local found = {}
    for _, layer in ipairs(plain) do
        if title_of(layer) and registry.fits(pattern, title_of(layer)) then
            table.insert(found, layer)
        end
    end
    return found
end

--- The layers that may hold the image: one that is it, or archives, to be looked through
--- in this order. Raises class source when that cannot be told.
---@param manifest table      see registry.manifest
---@param pattern string|nil  a glob
---@param name string         for messages
---@return table[] layers
function M.choose(manifest, pattern, name)
    local plain, archives = sort_out(manifest)
    local found = pattern and filter(plain, pattern) or plain
    if #found == 1 and (pattern or #archives == 0) then
        return found
    elseif #found > 1 then
        fail(name, ("%s: %s"):format(pattern and ("several layers fit %q"):format(pattern)
            or "it has several files", list_titles(found)), "--file-pattern GLOB says which one is meant")
    elseif #found == 0 and #archives > 0 then
        return archives
    elseif #plain == 0 and #archives == 0 then
        fail(name, "the manifest has no layers, so no image")
    elseif pattern then
        fail(name, ("no layer fits %q; it has %s"):format(pattern, list_titles(plain)))
    end
    return fail(name, ("it has archives, and %s beside them"):format(list_titles(plain)),
        "--file-pattern GLOB says which file is meant")
end

------------------------------------------------------------------------------
-- The image

---@class jflash.OciImage: jflash.Remote
---@field name string             for people
---@field said_bytes integer|nil  how large it is decoded, as its layer says
local Image = setmetatable({}, { __index = remote.Remote })
Image.__index = Image

local function check_decoded_bytes(self, proof)
    local said = self.said_bytes
    if said and said ~= proof.decoded_bytes then
        errors.raise({ class = "image", code = "protocol", retry = 0,
            message = ("%s: has %d bytes when it is decoded, and decompressed-size says %d"):format(self.name,
                proof.decoded_bytes, said) })
    end
end

function Image:proof()
    local proof = remote.Remote.proof(self)
    check_decoded_bytes(self, proof)
    return proof
end

--- How large the image is, or says that it is: its proof comes before the first write.
---@return integer|nil
function Image:decoded_bytes()
    return remote.Remote.decoded_bytes(self) or self.said_bytes
end

-- The first of the archives that has the file.
local function find_member(context, candidates, name, limit_bytes)
    for index, layer in ipairs(candidates) do
        local ok, found = xpcall(fetched.member, errors.wrap, {
            repository = context.repository, descriptor = layer, pattern = context.pattern,
            limit_bytes = limit_bytes,
        }, name)
        if ok then
            return found
        elseif found.status ~= 404 or index == #candidates then
            error(found, 0)
        end
    end
end

local function obtain(context, candidates, name, said_bytes)
    if layers.is_archive(candidates[1]) then
        return find_member(context, candidates, name, said_bytes and said_bytes + SLACK_BYTES or MOST_BYTES)
    end
    return fetched.layer(context.repository, candidates[1], name)
end

---What an image's reference means, opened once for all its pieces.
---@class jflash.OciImageContext
---@field repository jflash.OciRepository
---@field manifest table
---@field digest string
---@field pattern string|nil
---@field options table  the run's

local function open_image(context, candidates, name)
    local said_bytes = annotations.decoded_bytes(candidates[1], name)
    return remote.begin(setmetatable({
        name = name, said_bytes = said_bytes, is_awaited = true,
        obtain = function()
            return obtain(context, candidates, name, said_bytes)
        end,
    }, Image), context.options)
end

------------------------------------------------------------------------------
-- The pieces

-- The board's cache; where that is turned off, one for this run.
local function cache_of(dut)
    return caches.open(dut.board)
        or caches.open({ cache_dir = dut.run:file("oci-cache"), cache_limit = math.maxinteger })
end

local function resolve(dut, text)
    local reference = references.parse(text)
    local how = settings.settle(dut.options.fetch, dut.options, dut.board)
    local repository = dut.scope:own(repositories.open(reference, how, cache_of(dut)), "close the registry")
    local found = repository:resolve()
    log.info("image %s: %s", reference.text, found.digest)
    local purpose = annotations.purpose(found.manifest)
    if purpose then
        log.info("image %s: it is for %s", reference.text, purpose)
    end
    annotations.check_parts(found.manifest, reference.text)
    annotations.check_arch(found.manifest, dut.board.arch, reference.text)
    return { repository = repository, manifest = found.manifest, digest = found.digest, name = reference.text,
        pattern = dut.options.file_pattern, options = dut.options }
end

local function entry_of(context, given, part, candidates)
    local title = #candidates == 1 and title_of(candidates[1]) or context.pattern
    local name = title and ("%s (%s)"):format(context.name, (title:gsub("%c", "?"))) or context.name
    return { part = part, image = given, name = name, reference = context.name, digest = context.digest,
        open = function()
            return open_image(context, candidates, name)
        end }
end

local function refuse_checksum(dut, name)
    if dut.options.os_image_checksum then
        errors.raise({ class = "config", code = "usage",
            message = ("--os-image-checksum is for one image, and %s has several"):format(name),
            hint = "each layer has to have the digest that its manifest says anyway" })
    end
end

-- The layer for the partition that was asked for, if it says so.
local function layer_for(manifest, part)
    for _, layer in ipairs(part and manifest.layers or {}) do
        if annotations.partition(layer) == part then
            return { layer }
        end
    end
    return nil
end

--- What is to be written of an image in a registry: one entry, or one for each partition
--- that the image says it is for. Asks the registry. Raises.
---@param dut jflash.Dut
---@param entry {image: string, part: string|nil}
---@return {part: string|nil, image: string, name: string, open: fun(): jflash.OciImage}[]
function M.expand(dut, entry)
    local context = resolve(dut, entry.image)
    local by_annotation = not entry.part and not context.pattern
    local parts = by_annotation and annotations.partitions(context.manifest, context.name) or {}
    if #parts == 0 then
        local candidates = not context.pattern and layer_for(context.manifest, entry.part)
            or M.choose(context.manifest, context.pattern, context.name)
        return { entry_of(context, entry.image, entry.part, candidates) }
    end
    if #parts > 1 then
        refuse_checksum(dut, context.name)
    end
    local entries = {}
    for index, part in ipairs(parts) do
        entries[index] = entry_of(context, entry.image, part.partition, { part.layer })
    end
    return entries
end

return M
