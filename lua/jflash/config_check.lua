-- SPDX-License-Identifier: Apache-2.0
--
-- Explains configuration files key by key: each key's value, where it comes from, what
-- it means, and everything that is wrong, as plain data for `jflash config check`.
--
--   local report = config_check.report({ config = "jflash.yaml" })
--   for _, file in ipairs(report.files) do print(file.path, #file.problems) end

local board_schema = require("jflash.board_schema")
local config = require("jflash.config")
local config_file = require("jflash.config_file")
local errors = require("jflash.errors")
local manifest = require("jflash.manifest")
local meanings = require("jflash.meanings")
local schema = require("jflash.schema")

local M = {}

---@class jflash.config_check.key
---@field key string "console.baudrate"
---@field value any nil when there is none, or when it is secret
---@field secret boolean
---@field origin "file"|"--set"|"built in"|"default"
---@field where string? "file:line:column", for origin file and built in
---@field from string? the key of an exporter file that it comes from
---@field meaning string?

---@class jflash.config_check.board
---@field name string
---@field keys jflash.config_check.key[]
---@field mapped jflash.exporter.row[]? an exporter file's own keys
---@field problems string[]
---@field warnings string[]

---@class jflash.config_check.file
---@field path string
---@field kind "boards"|"exporter"|"manifest"|"unreadable"
---@field boards jflash.config_check.board[]
---@field keys jflash.config_check.key[] a manifest's
---@field mapped jflash.exporter.row[] an exporter file's keys outside its tree
---@field problems string[] of the file as a whole
---@field warnings string[]

local function origin_of(position)
    if not position then
        return "default"
    elseif position == "--set" then
        return "--set"
    end
    return position:find("^@builtin/") and "built in" or "file", position
end

local function add_key(keys, positions, key, value, type)
    local origin, where = origin_of(positions[key])
    local row = { key = key, origin = origin, where = where, secret = type.secret or false }
    if not type.secret then
        row.value = value
    end
    table.insert(keys, row)
end

local add_value

local function add_fields(keys, positions, path, value, type)
    type = value and schema.resolve(type, value) or type
    for _, name in ipairs(schema.names(type.fields)) do
        add_value(keys, positions, path .. name, value and value[name], type.fields[name])
    end
    for _, name in ipairs(type.rest and value and schema.names(value) or {}) do
        if not type.fields[name] then
            add_key(keys, positions, path .. name, value[name], type.rest)
        end
    end
end

-- The keys that hold a value, those of records and maps inside included.
function add_value(keys, positions, path, value, type)
    if type.kind == "record" and not (type.optional and value == nil) then
        add_fields(keys, positions, path .. ".", value, type)
    elseif type.kind == "map" then
        for _, name in ipairs(schema.names(value or {})) do
            add_value(keys, positions, path .. "." .. name, value[name], type.item)
        end
    elseif type.kind == "list" and type.item.kind == "record" then
        for index, item in ipairs(value or {}) do
            add_value(keys, positions, ("%s[%d]"):format(path, index), item, type.item)
        end
    else
        add_key(keys, positions, path, value, type)
    end
end

-- Which key of the exporter file each comes from. jflash has no value for a refused one:
-- what was written is shown.
local function add_origins(keys, exporter)
    local refused = {}
    for _, problem in ipairs(exporter.refused) do
        refused[problem.key] = problem.row
    end
    for _, row in ipairs(keys) do
        if row.origin ~= "--set" then
            row.from = exporter.from[row.key]
            if exporter.absent[row.key] then
                local written = refused[row.key] or {}
                row.value, row.from, row.where = written.value, written.key, written.where
                row.origin = written.where and "file" or "default"
            end
        end
    end
end

-- The problems of a raised config error, one a line; others go on.
local function caught(failure)
    failure = errors.wrap(failure)
    if failure.class ~= "config" then
        error(failure, 0)
    end
    local problems = {}
    for line in failure.message:gmatch("[^\n]+") do
        problems[#problems + 1] = line
    end
    if failure.hint then
        problems[#problems] = ("%s (%s)"):format(problems[#problems], failure.hint)
    end
    return problems
end

local function add_meanings(keys, power_type)
    for _, row in ipairs(keys) do
        row.meaning = meanings.of_board(row.key, power_type)
    end
end

local function explain_board(board, set)
    local explained = { name = board.name, keys = {}, problems = {}, warnings = {} }
    local ok, value, info = xpcall(config.examine, errors.wrap, board, set)
    if not ok then
        explained.problems = caught(value)
        return explained
    end
    explained.problems, explained.warnings = info.problems, info.warnings
    if not value then
        return explained
    end
    add_fields(explained.keys, info.positions, "", value, board_schema)
    local power_type = value.power and value.power.type
    add_meanings(explained.keys, power_type)
    if board.exporter then
        add_origins(explained.keys, board.exporter)
        explained.mapped = board.exporter.rows
    end
    return explained
end

local function explain_manifest(file, node)
    local value, info = schema.examine(node, manifest.schema, { name = file.path })
    file.problems, file.warnings = info.problems, info.warnings
    if value then
        add_fields(file.keys, info.positions, "", value, manifest.schema)
    end
    for _, row in ipairs(file.keys) do
        row.meaning = meanings.of_manifest(row.key)
    end
end

local function new_file(path, kind)
    return { path = path, kind = kind, boards = {}, keys = {}, mapped = {}, problems = {}, warnings = {} }
end

local function explain_document(document, options)
    local file = new_file(document.path, document.kind)
    file.problems, file.warnings = document.problems, document.warnings
    if document.kind == "manifest" then
        explain_manifest(file, document.node)
    elseif document.exporter then
        file.mapped = document.exporter.rows
    end
    for _, board in ipairs(document.boards) do
        if not options.board or board.name == options.board then
            table.insert(file.boards, explain_board(board, options.set))
        end
    end
    return file
end

local function explain_path(path, options)
    local ok, document, message = xpcall(config_file.read, errors.wrap, path)
    if ok and document then
        return explain_document(document, options)
    elseif ok and not options.config then
        return nil
    end
    local file = new_file(path, "unreadable")
    file.problems = ok and { message } or caught(document)
    return file
end

-- A board that no file has: a built-in one, or a name that is wrong.
local function explain_other_board(report, options)
    local ok, board = xpcall(config.find, errors.wrap, options.board, options)
    local file = new_file(ok and board.source or options.config or "jflash.yaml", "boards")
    if ok then
        table.insert(file.boards, explain_board(board, options.set))
    else
        file.problems = caught(board)
    end
    table.insert(report.files, file)
end

local function count(report)
    for _, file in ipairs(report.files) do
        report.problems = report.problems + #file.problems
        for _, board in ipairs(file.boards) do
            report.problems = report.problems + #board.problems
            report.boards = report.boards + 1
        end
    end
end

---Explains the file `config`, or the ones that are found, or the board `board` alone.
---Raises nothing for what they have wrong.
---@param options { config: string?, board: string?, set: string[]?, files: string[]? }
---@return { files: jflash.config_check.file[], problems: integer, boards: integer } report
function M.report(options)
    local report = { files = {}, problems = 0, boards = 0 }
    for _, path in ipairs(options.config and { options.config } or options.files or config.search_files()) do
        table.insert(report.files, explain_path(path, options))
    end
    count(report)
    if options.board and report.boards == 0 and report.problems == 0 then
        explain_other_board(report, options)
        report.problems, report.boards = 0, 0
        count(report)
    end
    return report
end

return M
