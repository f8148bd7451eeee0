-- SPDX-License-Identifier: Apache-2.0
--
-- Reads a Jumpstarter exporter file: each flasher in its `export` tree is a board, and
-- what the flasher and its children are configured with becomes the board's own keys,
-- which keep the places where they were written.
--
--   local exporter = require("jflash.exporter").read(yaml.parse(text, file), file)
--   for _, board in ipairs(exporter.boards) do print(board.name, board.node) end

local drivers = require("jflash.exporter.drivers")
local mapping = require("jflash.exporter.mapping")
local nearest = require("jflash.nearest")
local schema = require("jflash.schema")
local tree = require("jflash.exporter.tree")

local M = {}

---@class jflash.exporter
---@field boards jflash.exporter.board[] in the order of the file
---@field problems string[] of the file as a whole
---@field warnings string[]
---@field rows jflash.exporter.row[] the keys above `export`

---@class jflash.exporter.row  a key of the file, and what became of it
---@field key string "export.serial.config.url"
---@field where string "file:line:column"
---@field value any not there for a secret
---@field secret boolean?
---@field to string? the board's key that it became
---@field state "used"|"unused"|"idle"|"refused"
---@field note string? why it is unused or idle, or what it leads to

---@class jflash.exporter.board
---@field name string the flasher's path in the tree
---@field type string
---@field where string
---@field node table the board's configuration, as yaml.parse would give it
---@field from table<string, string> board key -> key of the file
---@field refused jflash.exporter.refused[] problems that go when the board's key is overridden
---@field absent table<string, boolean> keys that hold a value only so that the rest can be checked
---@field problems string[]
---@field warnings string[]
---@field rows jflash.exporter.row[]

---@class jflash.exporter.refused
---@field key string the board's
---@field text string
---@field row jflash.exporter.row? what was written

-- A flasher's children, the part of a board that each must be, and the board's key that
-- stands in for one that is missing or that jflash cannot do.
local CHILDREN = {
    { name = "serial", part = "console", key = "console.device", required = true, stand_in = "power" },
    { name = "power", part = "power", key = "power.type", required = true, stand_in = "manual" },
    { name = "tftp", part = "tftp" },
    { name = "http", part = "http" },
    { name = "uboot", part = "uboot" },
}

-- Names go into file names and commands: what is no simple name becomes one.
local function board_name(path)
    return (path:gsub("[^%w_.-]", "_"))
end

local function refuse(board, child, where, path, text)
    local problem = ("%s: %s: %s"):format(where, path, text)
    if child.key then
        table.insert(board.refused, { key = child.key, text = problem })
    else
        table.insert(board.problems, problem)
    end
end

local function articled(part)
    return part == "uboot" and "a U-Boot console" or (part == "console" or part == "power") and "a " .. part
        or "a server for " .. part
end

-- The driver that `node` stands for, or nil when the board cannot have it.
local function find_child(exporter, board, child, node)
    local found = tree.resolve(exporter.root, node)
    if not found then
        refuse(board, child, mapping.place(exporter.file, node.ref_yaml), node.key .. ".ref",
            ("%s leads nowhere; the parts of this file: %s"):format(
                schema.quoted(node.ref), table.concat(tree.paths(exporter.root), ", ")))
        return nil
    end
    if node.ref then
        node.used = true
        mapping.row(board, exporter.file, node.key .. ".ref", node.ref_yaml, { note = "is " .. found.key })
    end
    local driver = found.type and drivers.find(found.type)
    local where = mapping.place(exporter.file, found.type_yaml or found.yaml)
    local path = found.key .. ".type"
    if not found.type then
        refuse(board, child, where, found.key, "has no type, so it is no " .. child.part)
    elseif not driver then
        refuse(board, child, where, path, ("jflash does not know the type %s%s; as %s it knows %s"):format(
            found.type, drivers.hint(found.type), articled(child.part),
            table.concat(drivers.types(child.part), ", ")))
    elseif driver.part ~= child.part then
        refuse(board, child, where, path, ("%s is a %s; %s is needed here"):format(
            found.type, driver.part, articled(child.part)))
    else
        return found, driver
    end
    return nil
end

local function add_child(exporter, board, child, flasher)
    local node = flasher.children[child.name]
    if not node then
        if child.required then
            refuse(board, child, board.where, flasher.key,
                ("a flasher needs the child '%s', given here or by a ref"):format(child.name))
        end
        return
    end
    local found, driver = find_child(exporter, board, child, node)
    if found then
        mapping.add(board, exporter.file, found, driver, child)
    end
end

local CHILD_NAMES = {}
for index, child in ipairs(CHILDREN) do
    CHILD_NAMES[index] = child.name
end

local function is_child(name)
    for _, known in ipairs(CHILD_NAMES) do
        if known == name then
            return true
        end
    end
    return false
end

local function warn_of_others(exporter, board, flasher)
    for _, name in ipairs(flasher.order) do
        if not is_child(name) then
            local child = flasher.children[name]
            table.insert(board.warnings, ("%s: %s: not used: a flasher's children are "
                .. "serial, power, tftp, http and uboot%s"):format(mapping.place(exporter.file, child.yaml),
                child.key, nearest.hint(name, CHILD_NAMES)))
        end
    end
end

local function new_board(exporter, flasher)
    local where = mapping.place(exporter.file, flasher.type_yaml)
    local board = {
        name = board_name(flasher.path), type = flasher.type, where = where,
        node = mapping.new_map(exporter.file, flasher.yaml),
        from = {}, refused = {}, absent = {}, problems = {}, warnings = {}, rows = {},
    }
    mapping.describe(board, exporter.file, flasher, exporter.name)
    mapping.add(board, exporter.file, flasher, drivers.find(flasher.type), {})
    for _, child in ipairs(CHILDREN) do
        add_child(exporter, board, child, flasher)
    end
    warn_of_others(exporter, board, flasher)
    for _, child in ipairs(CHILDREN) do
        if child.required and not board.from[child.key] then
            mapping.stand_in(board, exporter.file, flasher, child.key, child.stand_in)
        end
    end
    return board
end

local function no_flasher(exporter)
    local seen = {}
    tree.each(exporter.root, function(node)
        if node.type then
            seen[#seen + 1] = ("%s: %s.type: %s is no flasher%s"):format(
                mapping.place(exporter.file, node.type_yaml), node.key, node.type,
                drivers.find(node.type) and "" or drivers.hint(node.type))
        end
    end)
    table.insert(exporter.problems, ("%s: export: there is no flasher here; jflash knows %s"):format(
        exporter.file, table.concat(drivers.types("flasher"), ", ")))
    table.move(seen, 1, #seen, #exporter.problems + 1, exporter.problems)
end

local function add_boards(exporter, node)
    local names = {}
    exporter.root = tree.new(node)
    tree.each(exporter.root, function(driver)
        local known = driver.type and drivers.find(driver.type)
        if known and known.part == "flasher" then
            local board = new_board(exporter, driver)
            if names[board.name] then
                table.insert(exporter.problems, ("%s: export: two flashers have the name %s"):format(
                    board.where, schema.quoted(board.name)))
            end
            names[board.name] = true
            table.insert(exporter.boards, board)
        end
    end)
    if #exporter.boards == 0 then
        no_flasher(exporter)
    end
end

-- Drivers that are for other purposes than flashing.
local function list_others(exporter)
    tree.each(exporter.root, function(node)
        if node.type and not node.used and #node.order == 0 then
            local hint = drivers.find(node.type) and "" or drivers.hint(node.type)
            mapping.row(exporter, exporter.file, node.key .. ".type", node.type_yaml,
                { state = "idle", note = "no part of a flasher" .. hint })
        end
    end)
end

---Reads the tree of the exporter file `file`. Raises nothing: what is wrong is listed.
---@param node table from yaml.parse
---@param file string
---@return jflash.exporter
function M.read(node, file)
    local value, info = schema.examine(node, tree.FILE, { name = file })
    local exporter = {
        file = file, name = value and value.metadata and value.metadata.name,
        boards = {}, problems = info.problems, warnings = info.warnings, rows = {},
    }
    -- What is wrong in one place hides nothing elsewhere.
    if node.kind == "map" then
        mapping.list(exporter, file, node, tree.FILE, "", { skip = "export" })
        add_boards(exporter, node)
        list_others(exporter)
    end
    return exporter
end

return M
