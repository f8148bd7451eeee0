-- SPDX-License-Identifier: Apache-2.0
--
-- Turns a driver's `config` into keys of a board's configuration, and keeps a row for
-- each key that was written: where it stands and what became of it.

local scalar = require("jflash.scalar")
local schema = require("jflash.schema")
local tree = require("jflash.exporter.tree")

local M = {}

---"file:line:column" of a node.
function M.place(file, node)
    return ("%s:%d:%d"):format(file, node.line, node.column)
end

---An empty map where `near` stands.
function M.new_map(file, near)
    return { kind = "map", name = file, line = near.line, column = near.column, entries = {} }
end

-- Puts `value` at the dotted key of the board's configuration. `from` is the key of the
-- file that it comes from.
local function put(board, key, value, from)
    local node = board.node
    local head, last = key:match("^(.*)%.([^.]+)$")
    for part in (head or ""):gmatch("[^.]+") do
        local inner = tree.entry(node, part)
        if not inner then
            inner = M.new_map(value.name, value)
            table.insert(node.entries, { key = part, value = inner, key_line = value.line, key_column = value.column })
        end
        node = inner
    end
    table.insert(node.entries, {
        key = last or key, value = value, key_line = value.line, key_column = value.column,
    })
    board.from[key] = from
end

-- A scalar with another text, at the place of `near`.
local function new_scalar(file, near, text, plain)
    return { kind = "scalar", name = file, line = near.line, column = near.column, text = text, plain = plain or false }
end

-- What a person sees of a node: plain values for scalars, Lua tables for the rest.
local function shown(node)
    if node.kind == "scalar" then
        return not scalar.is_null(node.text, node.plain) and scalar.any(node.text, node.plain) or nil
    end
    local value = schema.examine(node, schema.open(), { name = "" })
    return value
end

---Adds the row of one key. `fields` are further fields of the row.
---@param owner { rows: table[] }
function M.row(owner, file, key, node, fields)
    local row = { key = key, where = M.place(file, node), state = "used" }
    for name, value in pairs(fields) do
        row[name] = value
    end
    if not row.secret then
        row.value = shown(node)
    end
    table.insert(owner.rows, row)
    return row
end

local function join(path, key)
    return path == "" and key or path .. "." .. key
end

-- Rows for all keys of a map, records inside it included; `each(row, node, type)` sees
-- every one.
local function walk(owner, file, node, type, path, each)
    for _, entry in ipairs(node.entries or {}) do
        local field = type.fields[entry.key] or type.rest
        local key = join(path, entry.key)
        if field and field.kind == "record" and entry.value.kind == "map" then
            walk(owner, file, entry.value, field, key, each)
        elseif field then
            local row = M.row(owner, file, key, entry.value, { secret = field.secret })
            each(row, entry.value, field)
        end
    end
end

local function note_unused(owner, row, type)
    if type.unused then
        row.state, row.note = "unused", type.unused
        table.insert(owner.warnings, ("%s: %s: not used: %s"):format(row.where, row.key, type.unused))
    elseif type.idle then
        row.state, row.note = "idle", type.idle
    end
end

---Rows for the keys of a map that become nothing of a board.
---@param owner { rows: table[], warnings: string[] }
---@param options { skip: string? } a key to leave out
function M.list(owner, file, node, type, path, options)
    local fields = {}
    for name, field in pairs(type.fields) do
        fields[name] = name ~= options.skip and field or nil
    end
    walk(owner, file, node, { fields = fields, rest = type.rest }, path, function(row, _, field)
        note_unused(owner, row, field)
    end)
end

local function refuse(board, key, row, text)
    row.state, row.note = "refused", text
    table.insert(board.refused, {
        key = key, text = ("%s: %s: %s"):format(row.where, row.key, text), row = row,
    })
end

-- Makes one written key the board's.
local function take(board, file, row, node, type)
    row.to = type.to
    if scalar.is_null(node.text, node.plain) then
        return
    end
    local text, refusal = node.text, nil
    if type.convert then
        text, refusal = type.convert(text)
    end
    if text then
        put(board, type.to, new_scalar(file, node, text, node.plain), row.key)
    elseif refusal then
        refuse(board, type.to, row, refusal)
    else
        row.note = "as without it"
    end
end

local function take_config(board, file, config, type, path, is_usable)
    walk(board, file, config, type, path, function(row, node, field)
        if not is_usable then
            row.state, row.note = "refused", "its driver is"
        elseif field.to then
            take(board, file, row, node, field)
        else
            note_unused(board, row, field)
        end
    end)
end

local function row_of(board, key)
    for _, row in ipairs(board.rows) do
        if row.key == key or row.key:sub(1, #key + 1) == key .. "." then
            return row
        end
    end
    return nil
end

-- The node of a dotted key below `config`; what was written as another map is entered.
local function find(config, key)
    local node = config
    for part in key:gmatch("[^.]+") do
        node = node and tree.entry(node, part)
    end
    return node
end

-- Keys that a driver makes of several of its own.
local function add_made(board, file, node, driver, values, path, child)
    local keys, missing = driver.map(values)
    if not keys then
        table.insert(board.refused, { key = child.key, text = ("%s: %s: %s"):format(
            M.place(file, node.type_yaml), path, missing) })
        return
    end
    for _, made in ipairs(keys) do
        local origin = made.from and join(path, made.from)
        local near = made.from and find(node.config, made.from) or node.type_yaml
        local value = new_scalar(file, near, made.text, made.plain)
        put(board, made.key, value, origin or node.key .. ".type")
        local row = origin and row_of(board, origin)
        if row then
            row.to = made.key
        end
    end
end

local function add_defaults(board, file, node, driver)
    for key, text in pairs(driver.default or {}) do
        if not board.from[key] then
            put(board, key, new_scalar(file, node.type_yaml, text), node.key .. ".type")
        end
    end
end

local function type_row(board, file, node, driver, values, child)
    local row = M.row(board, file, node.key .. ".type", node.type_yaml, { note = "the board's " .. driver.part })
    if driver.instead then
        refuse(board, child.key, row, ("jflash has no driver for %s; %s"):format(node.type, driver.instead(values)))
    elseif driver.part == "flasher" then
        row.note = "the board"
    end
end

---Takes over what the driver `node` is configured with. `child` says by which child of
---the flasher it came, with the board's key that stands in for it.
---@param board jflash.exporter.board
---@param file string
---@param node jflash.exporter.node
---@param driver table of drivers.lua
---@param child { key: string? }
function M.add(board, file, node, driver, child)
    local path = node.key .. ".config"
    node.used = true
    local config = node.config or M.new_map(file, node.yaml)
    local values, info = schema.examine(config, driver.config, { name = file, path = path })
    table.move(info.problems, 1, #info.problems, #board.problems + 1, board.problems)
    type_row(board, file, node, driver, values or {}, child)
    if #info.problems > 0 then
        return
    end
    take_config(board, file, config, driver.config, path, not driver.instead)
    add_defaults(board, file, node, driver)
    if driver.map then
        add_made(board, file, node, driver, values, path, child)
    end
end

---A value for a key that the file does not give: the board is refused unless the key
---is overridden, and the rest of it can be checked.
function M.stand_in(board, file, flasher, key, text)
    put(board, key, new_scalar(file, flasher.type_yaml, text))
    board.absent[key] = true
end

---The board's description: the flasher's own, else which exporter's and of what type.
function M.describe(board, file, flasher, exporter_name)
    local description = tree.entry(flasher.yaml, "description")
    local key = flasher.key .. ".description"
    if description and not scalar.is_null(description.text, description.plain) then
        put(board, "description", new_scalar(file, description, description.text), key)
        M.row(board, file, key, description, { to = "description" })
        return
    end
    local class = flasher.type:match("[^.]+$")
    local text = exporter_name and ("%s of %s"):format(class, exporter_name) or class
    put(board, "description", new_scalar(file, flasher.type_yaml, text), flasher.key .. ".type")
end

return M
