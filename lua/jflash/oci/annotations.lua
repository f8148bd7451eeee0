-- SPDX-License-Identifier: Apache-2.0
--
-- What images in registries say of themselves, as `fls` and those who build for it
-- write it. On a layer:
--
--     partition            the partition that it is for: its label
--     decompressed-size    bytes, decoded
--
-- On the manifest:
--
--     default-partitions   which partitions are written, and in which order; without it
--                          all that layers are for
--     multi-layer, parts   "true", and the titles of the layers that there must be
--     target, arch, distro what it was built for

local errors = require("jflash.errors")
local platform = require("jflash.oci.platform")
local schema = require("jflash.schema")

local M = {}

-- Each name stands behind one of these; the first that there is counts.
local PREFIXES = { "dev.jumpstarter.fls/", "automotive.sdv.cloud.redhat.com/" }
local TITLE = "org.opencontainers.image.title"

local function fail(name, message, class, hint)
    errors.raise({ class = class or "source", code = "protocol", message = ("%s: %s"):format(name, message),
        hint = hint })
end

--- An annotation by its name without the prefix; nil when it is not there.
---@param annotations table<string, string>
---@param name string
---@return string|nil
function M.get(annotations, name)
    for _, prefix in ipairs(PREFIXES) do
        local value = annotations[prefix .. name]
        if value and value ~= "" then
            return value
        end
    end
    return nil
end

local function split(text)
    local list = {}
    for item in text:gmatch("[^,]+") do
        table.insert(list, item:match("^%s*(.-)%s*$"))
    end
    return list
end

--- The partition that a layer is for.
---@param layer table  see registry.manifest
---@return string|nil
function M.partition(layer)
    return M.get(layer.annotations, "partition")
end

--- How large a layer's image says that it is, decoded. Raises when that is no number.
---@param layer table  see registry.manifest
---@param name string  for messages
---@return integer|nil
function M.decoded_bytes(layer, name)
    local text = M.get(layer.annotations, "decompressed-size")
    local bytes = text and text:find("^%d+$") and math.tointeger(tonumber(text))
    if text and not bytes then
        fail(name, ("decompressed-size is no number of bytes: %s"):format(schema.quoted(text)))
    end
    return bytes
end

-- The layers that are for partitions, by these, and the partitions in their order.
local function by_partition(manifest, name)
    local layers, order = {}, {}
    for _, layer in ipairs(manifest.layers) do
        local partition = M.partition(layer)
        if partition and layers[partition] then
            fail(name, ("two layers are for the partition %s"):format(schema.quoted(partition)))
        elseif partition then
            layers[partition] = layer
            table.insert(order, partition)
        end
    end
    return layers, order
end

--- Which partitions an image is for, in the order in which they are written, with their
--- layers; none: it is for a whole device. Raises when one of them has no layer.
---@param manifest table  see registry.manifest
---@param name string     for messages
---@return {partition: string, layer: table}[]
function M.partitions(manifest, name)
    local layers, order = by_partition(manifest, name)
    local default = M.get(manifest.annotations, "default-partitions")
    local found = {}
    for _, partition in ipairs(default and split(default) or order) do
        if not layers[partition] then
            fail(name, ("default-partitions has %s, for which there is no layer; there are layers for %s"):format(
                schema.quoted(partition), #order > 0 and table.concat(order, ", ") or "none"))
        end
        table.insert(found, { partition = partition, layer = layers[partition] })
    end
    return found
end

--- Raises when a part of the image is missing.
---@param manifest table  see registry.manifest
---@param name string     for messages
function M.check_parts(manifest, name)
    local parts = M.get(manifest.annotations, "parts")
    if M.get(manifest.annotations, "multi-layer") ~= "true" or not parts then
        return
    end
    local titles = {}
    for _, layer in ipairs(manifest.layers) do
        titles[layer.annotations[TITLE] or ""] = true
    end
    for _, part in ipairs(split(parts)) do
        if not titles[part] then
            fail(name, ("it says that it has the part %s, and no layer has this title"):format(schema.quoted(part)))
        end
    end
end

--- Raises class config when it was built for another architecture than the board's.
---@param manifest table     see registry.manifest
---@param arch string|nil    the board's; nil: not known
---@param name string        for messages
function M.check_arch(manifest, arch, name)
    local said = M.get(manifest.annotations, "arch")
    if said and arch and platform.normalise(said) ~= platform.normalise(arch) then
        fail(name, ("it is for %s, and the board is %s"):format(schema.quoted(said), arch), "config",
            "another image, or another arch in the board's configuration")
    end
end

--- What it says that it is for, for people; nil when it says nothing.
---@param manifest table  see registry.manifest
---@return string|nil
function M.purpose(manifest)
    local words = {}
    for _, key in ipairs({ "target", "arch", "distro" }) do
        local value = M.get(manifest.annotations, key)
        if value then
            table.insert(words, ("%s %s"):format(key, (value:gsub("%c", "?"))))
        end
    end
    return #words > 0 and table.concat(words, ", ") or nil
end

return M
