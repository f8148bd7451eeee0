-- SPDX-License-Identifier: Apache-2.0
--
-- `--set KEY=VALUE`: puts a value into a YAML tree before it is checked against its
-- schema, so that it obeys the same rules as a value that was written in the file.

local errors = require("jflash.errors")
local nearest = require("jflash.nearest")
local scalar = require("jflash.scalar")
local schema = require("jflash.schema")
local yaml = require("jflash.yaml")

local M = {}

local WHERE = "--set"

local function fail(key, text)
    errors.raise({ class = "config", code = "protocol", message = ("%s: %s: %s"):format(WHERE, key, text) })
end

-- Marks a tree that did not come from a file.
local function mark(node)
    node.where = WHERE
    for _, item in ipairs(node.items or {}) do
        mark(item)
    end
    for _, entry in ipairs(node.entries or {}) do
        mark(entry.value)
    end
    return node
end

local function new_map()
    return { kind = "map", line = 0, column = 0, where = WHERE, entries = {} }
end

local function is_collection(type)
    return type.kind == "record" or type.kind == "map" or type.kind == "list"
end

-- Text stays text whatever it looks like: `--set login.password=null`.
local function make_value(type, key, text)
    if is_collection(type) or type.kind == "open" and text:find("^[%[{]") then
        local node, message, code = yaml.parse(text, WHERE .. " " .. key)
        return mark(errors.check("config", node, message, code))
    end
    return { kind = "scalar", line = 0, column = 0, where = WHERE, text = text, plain = type.kind ~= "string" }
end

-- The record with the keys of its variant, as far as the tree says which one it is.
local function resolve(type, node)
    local chosen = {}
    for _, entry in ipairs(type.variant and node.entries or {}) do
        chosen[entry.key] = entry.value.text
    end
    local by = type.variant and type.variant.by
    return chosen[by] and schema.resolve(type, chosen) or type
end

local function child_type(type, part, key)
    if type.kind == "map" then
        return type.item
    elseif type.kind == "open" then
        return type
    elseif type.kind ~= "record" then
        fail(key, ("a %s has no key %s"):format(type.kind, schema.quoted(part)))
    end
    local field = type.fields[part] or type.rest
    if not field then
        fail(key, ("unknown key %s%s"):format(schema.quoted(part), nearest.hint(part, schema.names(type.fields))))
    end
    return field
end

local function find_entry(node, name)
    for _, entry in ipairs(node.entries) do
        if entry.key == name then
            return entry
        end
    end
    local entry = { key = name, key_line = 0, key_column = 0, value = new_map() }
    table.insert(node.entries, entry)
    return entry
end

-- The map behind an entry; an explicit null becomes one.
local function enter(entry, key)
    local node = entry.value
    if node.kind == "scalar" and scalar.is_null(node.text, node.plain) then
        entry.value = new_map()
    elseif node.kind ~= "map" then
        fail(key, ("%s is a %s, it has no keys"):format(schema.quoted(entry.key), node.kind))
    end
    return entry.value
end

---Sets what "KEY=VALUE" says in the map `node` of type `type`. KEY is a dotted path;
---for a key that is itself a map or list, VALUE is YAML. Raises a config error.
---@param node table
---@param type table
---@param assignment string
function M.apply(node, type, assignment)
    local key, text = assignment:match("^([^=]+)=(.*)$")
    if not key then
        errors.raise({
            class = "config",
            code = "protocol",
            message = ("%s: %s is not KEY=VALUE"):format(WHERE, schema.quoted(assignment)),
        })
    end
    local entry
    for part in (key .. "."):gmatch("([^.]*)%.") do
        if part == "" then
            fail(key, "a part of the key is empty")
        end
        type = child_type(resolve(type, entry and entry.value or node), part, key)
        node = entry and enter(entry, key) or node
        entry = find_entry(node, part)
    end
    entry.value = make_value(type, key, text)
end

return M
