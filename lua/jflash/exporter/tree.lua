-- SPDX-License-Identifier: Apache-2.0
--
-- The form of a Jumpstarter exporter file: its keys, and the tree of drivers under
-- `export`. What the drivers mean is in drivers.lua.

local drivers = require("jflash.exporter.drivers")
local schema = require("jflash.schema")

local M = {}

local MOST_LINKS = 16 -- references that lead to references

---@class jflash.exporter.node  one driver of the tree
---@field path string "storage" or "rack.storage", from below `export`: what a ref says
---@field key string "export.rack.children.storage", as it is written
---@field used boolean? it is part of a board
---@field yaml table the map that it was read from
---@field type string?
---@field type_yaml table?
---@field config table? the map `config`
---@field ref string?
---@field ref_yaml table?
---@field children table<string, jflash.exporter.node>
---@field order string[] the children's names as they were written

local function check_driver(value)
    if value.ref and (value.type or value.children) then
        return "a reference has neither a type nor children", "ref"
    elseif not value.ref and not value.type and not value.children then
        return "needs a type, or a ref to another part of the tree, or children"
    end
    return nil
end

local DRIVER = schema.record({
    type = schema.string({ filled = true }),
    description = schema.string({ nullable = true }),
    methods_description = schema.map(schema.open(), { nullable = true }),
    config = schema.map(schema.open(), { nullable = true }),
    ref = schema.string({ filled = true }),
}, { check = check_driver })
DRIVER.fields.children = schema.map(DRIVER, { nullable = true })

local function check_version(version)
    return version ~= "jumpstarter.dev/v1alpha1"
        and ("expected jumpstarter.dev/v1alpha1, found %s"):format(schema.quoted(version)) or nil
end

local ELSEWHERE = "for Jumpstarter's own exporter"

---The type of the whole file. `idle` says why jflash has no need of a key; `unused`,
---what it does without.
M.FILE = schema.record({
    apiVersion = schema.string({ required = true, check = check_version, idle = "the file's form" }),
    kind = schema.enum({ "ExporterConfig" }, { default = "ExporterConfig", idle = "the file's form" }),
    metadata = schema.record({
        name = schema.string({ nullable = true, idle = "the exporter's name" }),
        namespace = schema.string({ nullable = true, idle = ELSEWHERE }),
    }, { nullable = true, rest = schema.open({ idle = ELSEWHERE }) }),
    alias = schema.string({ nullable = true, idle = ELSEWHERE }),
    path = schema.string({ nullable = true, idle = ELSEWHERE }),
    description = schema.string({ nullable = true, idle = "what the exporter is" }),
    endpoint = schema.string({ nullable = true, idle = ELSEWHERE }),
    token = schema.string({ nullable = true, secret = true, idle = ELSEWHERE }),
    tls = schema.record({}, { nullable = true, rest = schema.open({ idle = ELSEWHERE }) }),
    grpcOptions = schema.open({ idle = ELSEWHERE }),
    hooks = schema.open({ unused = "jflash runs no hooks of a lease" }),
    export = schema.map(DRIVER, { nullable = true }),
})

---The value of the key `name` in the map `node`, and its entry.
---@return table? value
function M.entry(node, name)
    for _, entry in ipairs(node and node.entries or {}) do
        if entry.key == name then
            return entry.value
        end
    end
    return nil
end

local function scalar_text(node)
    return node and node.kind == "scalar" and node.text or nil
end

local new_node

local function add_children(node, yaml)
    for _, entry in ipairs(yaml and yaml.entries or {}) do
        local is_top = node.path == ""
        local path = is_top and entry.key or node.path .. "." .. entry.key
        local key = is_top and "export." .. entry.key or node.key .. ".children." .. entry.key
        node.children[entry.key] = new_node(path, key, entry.value)
        table.insert(node.order, entry.key)
    end
    return node
end

function new_node(path, key, yaml)
    local type, ref, config = M.entry(yaml, "type"), M.entry(yaml, "ref"), M.entry(yaml, "config")
    return add_children({
        path = path,
        key = key,
        yaml = yaml,
        type = scalar_text(type),
        type_yaml = type,
        ref = scalar_text(ref),
        ref_yaml = ref,
        config = config and config.kind == "map" and config or nil,
        children = {},
        order = {},
    }, M.entry(yaml, "children"))
end

---The tree of a file that has the form of M.FILE; its root has the path "".
---@param document table
---@return jflash.exporter.node root
function M.new(document)
    return add_children({ path = "", yaml = document, children = {}, order = {} }, M.entry(document, "export"))
end

---Calls `visit(node)` for each driver, in the order of the file.
---@param root jflash.exporter.node
---@param visit fun(node: jflash.exporter.node)
function M.each(root, visit)
    for _, name in ipairs(root.order) do
        visit(root.children[name])
        M.each(root.children[name], visit)
    end
end

-- A driver that another brings along without its being written: Qemu has a power.
local function implied(node, name)
    local driver = node.type and drivers.find(node.type)
    local type = driver and driver.brings and driver.brings[name]
    if not type then
        return nil
    end
    node.used = true
    return {
        path = node.path .. "." .. name, key = node.key, yaml = node.yaml, type = type, type_yaml = node.type_yaml,
        children = {}, order = {},
    }
end

local function locate(root, ref)
    local node = root
    for part in ref:gmatch("[^./]+") do
        node = node and (node.children[part] or implied(node, part))
    end
    return node ~= root and node or nil
end

---What `node` stands for: itself, or what its ref leads to. A ref is a path from the
---top of `export`, with dots or slashes. nil when it leads nowhere, or in a circle.
---@param root jflash.exporter.node
---@param node jflash.exporter.node
---@return jflash.exporter.node?
function M.resolve(root, node)
    for _ = 1, MOST_LINKS do
        if not node or not node.ref then
            return node
        end
        node = locate(root, node.ref)
    end
    return nil
end

---The paths that a ref could name, sorted.
---@param root jflash.exporter.node
---@return string[]
function M.paths(root)
    local paths = {}
    M.each(root, function(node)
        paths[#paths + 1] = not node.ref and node.path or nil
    end)
    table.sort(paths)
    return paths
end

return M
