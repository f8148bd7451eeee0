-- SPDX-License-Identifier: Apache-2.0
--
-- From layers to files in a folder. A layer is a file under its title, as `oras push`
-- lays artifacts out, or a tar archive (of a folder, or of an image's file system).
-- Nothing is written outside the folder, whatever a layer says.

local errors = require("jflash.errors")
local registry = require("jflash.registry")
local schema = require("jflash.schema")

local M = {}

M.TITLE = "org.opencontainers.image.title"
local UNPACK = "io.deis.oras.content.unpack"
-- What stands in a manifest that has no layers (image specification 1.1).
local EMPTY = "application/vnd.oci.empty.v1+json"

-- Archives of files, whatever their compression.
local function is_tar(media_type)
    return media_type:find("tar", 1, true) ~= nil
        and (media_type:find("^application/vnd%.oci%.image%.layer%.") ~= nil
            or media_type:find("^application/vnd%.docker%.image%.rootfs%.") ~= nil
            or media_type:find("^application/x%-tar") ~= nil
            or media_type:find("^application/tar") ~= nil)
end

local function fail(name, message, hint)
    errors.raise({ class = "source", code = "protocol", message = ("%s: %s"):format(name, message), hint = hint })
end

-- What archives of a bundle may unpack to: kernels and initramfs, which go over TFTP.
local MOST_BYTES = 8 << 30

---What is to be done with a layer.
---@class jflash.OciLayer
---@field kind "file"|"archive"
---@field descriptor table
---@field name string|nil   of a file: where it goes

--- Whether a layer is an archive of files, and no file by its title.
---@param layer table  see registry.manifest
---@return boolean
function M.is_archive(layer)
    return is_tar(layer.media_type) and (not layer.annotations[M.TITLE] or layer.annotations[UNPACK] == "true")
end

--- Whether a layer stands for none (image specification 1.1).
---@param layer table  see registry.manifest
---@return boolean
function M.is_empty(layer)
    return layer.media_type == EMPTY
end

local function plan_one(layer, index, name)
    local title = layer.annotations[M.TITLE]
    if M.is_archive(layer) then
        return { kind = "archive", descriptor = layer }
    elseif not title then
        return fail(name, ("layer %d (%s) has no title, and is no tar archive"):format(index,
            schema.quoted(layer.media_type)), "oras push FILE… gives each file its title")
    end
    local ok, message = registry.check_name(title)
    if not ok then
        fail(name, ("layer %d: %s"):format(index, message))
    end
    return { kind = "file", descriptor = layer, name = title }
end

--- What the manifest's layers are. Raises class source when one cannot be placed.
---@param manifest table  see registry.manifest
---@param name string     for messages
---@return jflash.OciLayer[]
function M.plan(manifest, name)
    local plan = {}
    for index, layer in ipairs(manifest.layers) do
        if not M.is_empty(layer) then
            table.insert(plan, plan_one(layer, index, name))
        end
    end
    if #plan == 0 then
        fail(name, "the manifest has no layers, so no files")
    end
    return plan
end

-- Into the cache's own folder by a link, where what is in it was just compared.
local function place_blob(blob, name, dir, may_link)
    if may_link and blob.is_proven then
        local ok, message, code, errno = registry.link(blob.path, dir, name)
        if code ~= "unsupported" then
            return ok, message, code, errno
        end
    end
    return registry.place(blob.path, dir, name, blob.sha256)
end

-- A tar archive, over what is in the folder already.
local function unpack(blob, dir, name)
    return registry.unpack({ name = name, archive = blob.path, dir = dir, sha256 = blob.sha256,
        limit_bytes = MOST_BYTES })
end

-- A damaged copy in the cache is one that was good when it came.
local function place(blob, layer, dir, name, may_link)
    local ok, message, code, errno
    if layer.kind == "archive" then
        ok, message, code, errno = unpack(blob, dir, ("layer %s"):format(blob.sha256:sub(1, 12)))
    else
        ok, message, code, errno = place_blob(blob, layer.name, dir, may_link)
    end
    if not ok then
        errors.raise({ class = (code == "io" or code == "checksum") and "host" or "source", code = code,
            errno = errno, message = ("%s: %s"):format(name, message) })
    end
end

--- Puts the layers into a folder, in their order.
---@param plan jflash.OciLayer[]
---@param held table<string, jflash.Blob>  see Repository:fetch
---@param dir string
---@param name string  for messages
---@param may_link boolean|nil  the folder is the cache's own, and its files are never written
---@return table<string, string> sha256  of files whose digest is known, by name
function M.extract(plan, held, dir, name, may_link)
    local known = {}
    for _, layer in ipairs(plan) do
        local blob = held[layer.descriptor.digest]
        place(blob, layer, dir, name, may_link)
        if layer.kind == "archive" then
            known = {} -- it may replace what others have put there
        else
            known[layer.name] = blob.sha256
        end
    end
    return known
end

return M
