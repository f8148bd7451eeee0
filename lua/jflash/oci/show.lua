-- SPDX-License-Identifier: Apache-2.0
--
-- Bundles as people and machines read of them: what a reference means, what a folder
-- holds, what is in the cache.

local json = require("jflash.json")
local log = require("jflash.log")
local schema = require("jflash.schema")

local M = {}

local TITLE = "org.opencontainers.image.title"

-- What comes from a registry or a file goes to a terminal.
local function clean(text)
    return (tostring(text):gsub("[%z\1-\31\127]", "?"))
end

local function lines(rows)
    local out = {}
    for _, row in ipairs(rows) do
        if row[2] ~= nil then
            table.insert(out, ("%-14s %s\n"):format(row[1], clean(row[2])))
        end
    end
    return table.concat(out)
end

--- What a reference means, as fields.
---@param found table  see oci.bundle.look_up
---@return table
function M.reference(found)
    local manifest = found.manifest
    local layers = setmetatable({}, json.array)
    for index, layer in ipairs(manifest.layers) do
        layers[index] = { title = layer.annotations[TITLE], media_type = layer.media_type, digest = layer.digest,
            size = layer.size, annotations = layer.annotations }
    end
    return { reference = found.reference, digest = found.digest, index_digest = found.tag_digest ~= found.digest
        and found.tag_digest or nil, media_type = manifest.media_type, artifact_type = manifest.artifact_type,
        annotations = manifest.annotations, layers = layers }
end

---@param fields table of reference
---@return string
function M.reference_text(fields)
    local rows = {
        { "reference", fields.reference }, { "digest", fields.digest }, { "of the index", fields.index_digest },
        { "type", fields.artifact_type or fields.media_type },
    }
    for _, name in ipairs(schema.names(fields.annotations)) do
        table.insert(rows, { "annotation", name .. " = " .. fields.annotations[name] })
    end
    for _, layer in ipairs(fields.layers) do
        table.insert(rows, { "layer", ("%9s  %s  %s"):format(log.size(layer.size), layer.digest:sub(1, 19),
            layer.title or layer.media_type) })
    end
    return lines(rows)
end

--- What a folder holds, as fields.
---@param bundle jflash.bundle
---@return table
function M.folder(bundle)
    local spec = bundle.manifest.spec
    local files = setmetatable({}, json.array)
    for index, file in ipairs(bundle.manifest:all_files()) do
        local path, size = bundle:path(file.file, file.where)
        files[index] = { file = file.file, size = size, path = path }
    end
    return { path = bundle.root, name = bundle.manifest.name, manufacturer = spec.manufacturer, link = spec.link,
        targets = spec.targets, default_target = spec.default_target, files = files,
        variants = setmetatable(schema.names(spec.dtb and spec.dtb.variants or {}), json.array),
        default_variant = spec.dtb and spec.dtb.default }
end

---@param fields table of folder
---@return string
function M.folder_text(fields)
    local rows = { { "bundle", fields.name }, { "folder", fields.path }, { "manufacturer", fields.manufacturer },
        { "link", fields.link } }
    for _, name in ipairs(schema.names(fields.targets)) do
        local default = name == fields.default_target and " (default)" or ""
        table.insert(rows, { "target", ("%s: %s%s"):format(name, fields.targets[name], default) })
    end
    for _, name in ipairs(fields.variants) do
        table.insert(rows, { "variant", name .. (name == fields.default_variant and " (default)" or "") })
    end
    for _, file in ipairs(fields.files) do
        table.insert(rows, { "file", ("%9s  %s"):format(log.size(file.size), file.file) })
    end
    return lines(rows)
end

--- The bundles among a cache's entries.
---@param entries table[]  see Cache:entries
---@return table[]
function M.trees(entries)
    local rows = setmetatable({}, json.array)
    for _, entry in ipairs(entries) do
        if entry.kind == "tree" and entry.reference then
            table.insert(rows, { reference = entry.reference, digest = "sha256:" .. entry.name, bytes = entry.size,
                path = entry.path, last_used = os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(entry.time)) })
        end
    end
    return rows
end

---@param rows table[] of trees
---@return string
function M.trees_text(rows)
    local out = {}
    for index, row in ipairs(rows) do
        out[index] = ("%9s  %s  %s  %s\n"):format(log.size(row.bytes), row.last_used, row.digest:sub(1, 19),
            clean(row.reference))
    end
    return table.concat(out)
end

return M
