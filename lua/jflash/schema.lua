-- SPDX-License-Identifier: Apache-2.0
--
-- Checks a YAML tree (jflash.yaml) against a schema and gives plain Lua values.
-- One pass finds all problems; each names file, line, column and the whole key.
--
--   local point = schema.record({
--       x = schema.integer({ required = true, min = 0 }),
--       label = schema.string({ default = "none" }),
--   })
--   local value, info = schema.read(yaml.parse(text, "p.yaml"), point, { name = "p.yaml" })
--
-- Options of every type: required, default, nullable (an explicit null is then the
-- same as a missing key), deprecated (a text: a warning), check (a function that
-- takes the value and returns nil, or what is wrong with it and, for a record, the
-- key that is wrong), secret (a scalar that no message and no log shows). A record
-- that is missing is read as an empty one, so that its keys' defaults hold, unless it
-- is `optional`.

local errors = require("jflash.errors")
local job = require("jflash.job")
local nearest = require("jflash.nearest")
local scalar = require("jflash.scalar")

local M = {}

local SHOWN = 20 -- problems in one message
local NOT_SIMPLE = " is no name (letters, digits, and . _ - inside)"

local function new(kind, options, fields)
    local type = { kind = kind }
    for key, value in pairs(options or {}) do
        type[key] = value
    end
    for key, value in pairs(fields or {}) do
        type[key] = value
    end
    return type
end

---Scalars. Options: `filled` (not empty) and `line` (newlines at the end do not count)
---for strings; `min` and `max` for numbers,
---durations and sizes.
function M.string(options)
    return new("string", options)
end

function M.integer(options)
    return new("integer", options)
end

function M.number(options)
    return new("number", options)
end

---true, false, yes, no, on, off, unquoted.
function M.boolean(options)
    return new("boolean", options)
end

---Seconds, as a number: 30, "1.5s", "500ms", "2min", "1h".
function M.duration(options)
    return new("duration", options)
end

---Bytes, as an integer: 1073741824, "300M", "1G", "1GiB".
function M.size(options)
    return new("size", options)
end

---A memory address, kept as the text that was written.
function M.address(options)
    return new("address", options)
end

---One of the strings `values`.
function M.enum(values, options)
    return new("enum", options, { values = values })
end

---A list of `item`.
function M.list(item, options)
    return new("list", options, { item = item })
end

---A map from names to `item`. Option `simple_names`: they are letters, digits, dots,
---dashes and underscores, and do not start with a dot or dash.
function M.map(item, options)
    return new("map", options, { item = item })
end

---A map with the keys of `fields` and no others, unless there is a type `rest` for those.
---Option `shorthand`: the key that a scalar in the record's place stands for.
---Option `variant` = { by, of }: its further keys depend on the value of its key `by`;
---`of(value)` gives the record that has them, or nil and what is wrong with the value.
function M.record(fields, options)
    return new("record", options, { fields = fields })
end

---Anything; scalars become string, number or boolean by YAML's core rules.
function M.open(options)
    return new("open", options)
end

---True for a name that can be part of a file name: option `simple_names`.
function M.is_simple_name(name)
    return #name <= 64 and name:match("^[%w_][%w._-]*$") ~= nil
end

---The keys of a table of fields, sorted.
---@return string[]
function M.names(fields)
    local names = {}
    for name in pairs(fields) do
        names[#names + 1] = tostring(name)
    end
    table.sort(names)
    return names
end

-- Text of a document, fit for one line of a message.
local function quoted(text)
    if #text > 60 then
        text = text:sub(1, utf8.offset(text, 0, 58) - 1) .. "..."
    end
    return ("'%s'"):format((text:gsub("%c", "?")))
end

M.quoted = quoted

local function place(context, node)
    return node.where or ("%s:%d:%d"):format(node.name or context.name, node.line, node.column)
end

local function join(path, key)
    return path == "" and key or path .. "." .. key
end

local function add(list, where, path, text)
    list[#list + 1] = path == "" and ("%s: %s"):format(where, text) or ("%s: %s: %s"):format(where, path, text)
end

local function problem(context, node, path, text)
    add(context.problems, place(context, node), path, text)
end

local function found(node, secret)
    if node.kind ~= "scalar" then
        return "a " .. node.kind
    elseif scalar.is_null(node.text, node.plain) then
        return "nothing"
    elseif secret then
        return "something else (a secret, not shown)"
    end
    return quoted(node.text) .. ((node.plain or node.where) and "" or " in quotes")
end

local function copy(value)
    if type(value) ~= "table" then
        return value
    end
    local result = {}
    for key, item in pairs(value) do
        result[key] = copy(item)
    end
    return result
end

local read_node

local function expect_kind(context, node, kind, path)
    if node.kind == kind or node.is_empty then
        return true
    end
    problem(context, node, path, ("expected a %s, found %s"):format(kind, found(node)))
    return false
end

local function key_position(entry)
    return { name = entry.value.name, where = entry.value.where, line = entry.key_line, column = entry.key_column }
end

-- A key that no field has.
local function unknown_key(context, fields, entry, path)
    local list = context.unknown == "warning" and context.warnings or context.problems
    -- Comparing names is slow: not for what is cut off anyway.
    local text = "unknown key" .. (#list < SHOWN and nearest.hint(entry.key, M.names(fields)) or "")
    add(list, place(context, key_position(entry)), join(path, (entry.key:gsub("%c", "?"))), text)
end

-- What stands for a value that is missing or null; `near` is where it would be.
local function absent_value(context, near, type, path)
    if type.default ~= nil then
        return copy(type.default)
    elseif type.kind == "record" and not type.optional then
        local empty = { kind = "map", entries = {} }
        empty.name, empty.where, empty.line, empty.column = near.name, near.where, near.line, near.column
        return read_node(context, empty, type, path)
    end
    return nil
end

local function missing_field(context, record, type, path)
    if type.required then
        problem(context, record, path, "missing key")
        return nil
    end
    return absent_value(context, record, type, path)
end

local function run_check(context, node, type, path, value)
    local wrong, key = type.check(value)
    if wrong then
        local where = node
        for _, entry in ipairs(key and node.entries or {}) do
            where = entry.key == key and entry.value or where
        end
        problem(context, where, key and join(path, key) or path, wrong)
    end
end

local readers = {}

local function read_fields(context, node, type, path, value)
    local present = {}
    for _, entry in ipairs(node.entries) do
        local field = type.fields[entry.key] or type.rest
        present[entry.key] = true
        if not field then
            unknown_key(context, type.fields, entry, path)
        else
            if field.deprecated then
                add(context.warnings, place(context, key_position(entry)), join(path, entry.key), field.deprecated)
            end
            value[entry.key] = read_node(context, entry.value, field, join(path, entry.key))
        end
    end
    return present
end

-- The record `type` with the keys of its variant `chosen`.
local function with_variant(type, chosen)
    local fields = {}
    for _, some in ipairs({ chosen.fields, type.fields }) do
        for name, field in pairs(some) do
            fields[name] = field
        end
    end
    return { kind = "record", fields = fields, rest = chosen.rest, check = chosen.check }
end

---A record's type with all keys that `value`, which was read as it, can have.
---@param type table
---@param value table
---@return table type
function M.resolve(type, value)
    local chosen = type.variant and type.variant.of(value[type.variant.by])
    return chosen and with_variant(type, chosen) or type
end

-- The same for a node that is being read: a problem when its variant is unknown.
local function resolve_node(context, node, type, path)
    local by = type.variant.by
    local name, where = type.fields[by].default, node
    for _, entry in ipairs(node.entries) do
        if entry.key == by then
            where = entry.value
            name = where.kind == "scalar" and not scalar.is_null(where.text, where.plain) and where.text or name
        end
    end
    local chosen, why = type.variant.of(name)
    if chosen then
        return with_variant(type, chosen)
    end
    problem(context, where, join(path, by), why)
    return type
end

-- A scalar as the record that it is short for.
local function spelt_out(node, key)
    local entry = { key = key, key_line = node.line, key_column = node.column, value = node }
    return {
        kind = "map", entries = { entry }, name = node.name, where = node.where, line = node.line,
        column = node.column,
    }
end

function readers.record(context, node, type, path)
    if type.shorthand and node.kind == "scalar" then
        node = spelt_out(node, type.shorthand)
    end
    if not expect_kind(context, node, "map", path) then
        return nil
    end
    local before = #context.problems
    local full = type.variant and resolve_node(context, node, type, path) or type
    local value = {}
    local present = read_fields(context, node, full, path, value)
    for _, name in ipairs(M.names(full.fields)) do
        if not present[name] then
            value[name] = missing_field(context, node, full.fields[name], join(path, name))
        end
    end
    if full ~= type and full.check and #context.problems == before then
        run_check(context, node, full, path, value)
    end
    return value
end

function readers.map(context, node, type, path)
    if not expect_kind(context, node, "map", path) then
        return nil
    end
    local value = {}
    for _, entry in ipairs(node.entries) do
        if type.simple_names and not M.is_simple_name(entry.key) then
            problem(context, key_position(entry), path, quoted(entry.key) .. NOT_SIMPLE)
        end
        value[entry.key] = read_node(context, entry.value, type.item, join(path, entry.key))
    end
    return value
end

function readers.list(context, node, type, path)
    if not expect_kind(context, node, "list", path) then
        return nil
    end
    local value = {}
    for i, item in ipairs(node.items) do
        value[#value + 1] = read_node(context, item, type.item, ("%s[%d]"):format(path, i))
    end
    return value
end

local OPEN = { kind = "open" }

function readers.open(context, node, _, path)
    if node.value ~= nil then
        return copy(node.value)
    elseif node.kind == "scalar" then
        if scalar.is_null(node.text, node.plain) then
            return nil
        end
        return scalar.any(node.text, node.plain)
    end
    return readers[node.kind](context, node, { item = OPEN }, path)
end

local function read_scalar(context, node, type, path)
    if type.secret and node.kind == "scalar" then
        job.secret(node.text)
    end
    local usable = node.kind == "scalar" and not scalar.is_null(node.text, node.plain)
    local value, expected = scalar[type.kind](usable and node.text or "", usable and node.plain, type)
    if not usable or value == nil then
        problem(context, node, path, ("expected %s, found %s"):format(expected, found(node, type.secret)))
        return nil
    end
    return value
end

function read_node(context, node, type, path)
    context.positions[path] = place(context, node)
    if type.nullable and node.kind == "scalar" and scalar.is_null(node.text, node.plain) then
        return absent_value(context, node, type, path)
    end
    local before = #context.problems
    local value = (readers[type.kind] or read_scalar)(context, node, type, path)
    if type.check and value ~= nil and #context.problems == before then
        run_check(context, node, type, path, value)
    end
    return value
end

-- The first lines of a list, and how many more there are.
local function shorten(lines)
    local short = table.move(lines, 1, math.min(#lines, SHOWN), 1, {})
    if #lines > SHOWN then
        short[#short + 1] = ("and %d more"):format(#lines - SHOWN)
    end
    return short
end

---@class jflash.schema.info
---@field positions table<string, string> the place ("file:line:column") of each key that was written
---@field warnings string[] one line each, at most 21
---@field problems string[] one line each

---Reads `node` as `type`, without raising.
---@param node table from yaml.parse
---@param type table
---@param options { name: string, path: string?, unknown: "error"|"warning"? }
---@return any value, jflash.schema.info info
function M.examine(node, type, options)
    local context = {
        name = options.name,
        unknown = options.unknown or "error",
        positions = {},
        warnings = {},
        problems = {},
    }
    local value = read_node(context, node, type, options.path or "")
    return value, {
        positions = context.positions,
        warnings = shorten(context.warnings),
        problems = context.problems,
    }
end

---Raises a config error whose message is all of `problems`, one a line; does
---nothing when there are none.
---@param problems string[]
function M.raise(problems)
    if #problems == 0 then
        return
    end
    errors.raise({ class = "config", code = "protocol", message = table.concat(shorten(problems), "\n") })
end

-- A plain Lua value as a node. `where` says whose it is.
local function node_of(value, where)
    local node = { where = where, line = 0, column = 0, value = value }
    if type(value) ~= "table" then
        node.kind, node.text = "scalar", tostring(math.tointeger(value) or value)
        node.plain = type(value) ~= "string" or not scalar.is_null(value, true)
        return node
    end
    node.kind, node.items, node.entries = value[1] ~= nil and "list" or "map", {}, {}
    node.is_empty = next(value) == nil
    for _, item in ipairs(value) do
        table.insert(node.items, node_of(item, where))
    end
    for _, key in ipairs(node.kind == "map" and M.names(value) or {}) do
        table.insert(node.entries, { key = key, key_line = 0, key_column = 0, value = node_of(value[key], where) })
    end
    return node
end

---As read, of plain Lua values: what the read gave, given again, gives the same.
function M.read_value(value, type, options)
    return M.read(node_of(value, options.name), type, options)
end

---As examine, and raises a config error that holds all problems, one a line.
function M.read(node, type, options)
    local value, info = M.examine(node, type, options)
    M.raise(info.problems)
    return value, info
end

return M
