-- SPDX-License-Identifier: Apache-2.0
--
-- Which boards there are: those of the user's jflash.yaml files (or of a Jumpstarter
-- exporter file that --config names), and the ones that are built in.
-- docs/configuration.md describes the files.
--
--   local board = config.board("bench-3", { set = { "uboot.prompt=J7> " } })
--   print(board.console.device, board.timeouts.boot_s)

local board_schema = require("jflash.board_schema")
local config_file = require("jflash.config_file")
local errors = require("jflash.errors")
local nearest = require("jflash.nearest")
local override = require("jflash.override")
local references = require("jflash.oci.reference")
local runtime = require("jflash.runtime")
local schema = require("jflash.schema")
local sys = require("jflash.sys")
local xdg = require("jflash.xdg")
local yaml = require("jflash.yaml")

local M = {}

local FILE = "jflash.yaml"
local BUILT_IN = "built in"
-- Their relative values count from the folder of the file that has them.
local PATH_KEYS = { "bundle", "recipe", "cacert", "verify_key", "cache_dir" }
-- Of these a name without a slash may be something that is looked up.
local NAMES = { bundle = true, recipe = true }

---@class jflash.config.options
---@field config string? read this file instead of searching
---@field set string[]? "KEY=VALUE", overriding the board's keys
---@field files string[]? the places to search instead of the usual ones

---@class jflash.board
---@field name string
---@field source string the file that defines it, or "built in"
---@field files string[] the configuration files that were read
---@field warnings string[]
---@field positions table<string, string> where each key stands: "console.device" -> "file:line:column"

---The places where jflash.yaml is looked for, the first wins.
---@return string[]
function M.search_files()
    local files = { FILE }
    local own = xdg.folder("config")
    files[#files + 1] = own and own .. "/" .. FILE
    files[#files + 1] = "/etc/jflash/" .. FILE
    return files
end

---The configuration files that there are: `config` alone, or those of the search
---places. Raises when one cannot be read.
---@param options jflash.config.options?
---@return jflash.config_file[]
function M.documents(options)
    options = options or {}
    if options.config then
        return { (errors.check("config", config_file.read(options.config))) }
    end
    local documents, seen = {}, {}
    for _, path in ipairs(options.files or M.search_files()) do
        local document = config_file.read(path)
        local real = document and sys.realpath(path) or path
        if document and not seen[real] then
            seen[real] = true
            documents[#documents + 1] = document
        end
    end
    return documents
end

local REFUSED = {
    manifest = { "is a bundle's manifest, no configuration", "the key 'bundle' of a board names the bundle's folder" },
    exporter = { "is a Jumpstarter exporter file, which is not looked for here", "name it: --config " },
}

-- A file that holds no boards, or is not to be found by accident.
local function check_kind(document, is_named)
    local refused = REFUSED[document.kind]
    if refused and not (is_named and document.kind == "exporter") then
        local hint = document.kind == "exporter" and refused[2] .. document.path or refused[2]
        errors.raise({ class = "config", code = "unsupported", hint = hint,
            message = ("%s: %s"):format(document.path, refused[1]) })
    end
end

-- All boards of the user's files by name, and the files that exist.
local function configured(options)
    local boards, files = {}, {}
    for _, document in ipairs(M.documents(options)) do
        check_kind(document, options.config ~= nil)
        schema.raise(document.problems)
        files[#files + 1] = document.path
        for _, board in ipairs(document.boards) do
            boards[board.name] = boards[board.name] or board
        end
    end
    return boards, files
end

local function built_in()
    local boards = {}
    for _, file in ipairs(runtime.embedded_names()) do
        local name = file:match("^bundles/([^/]+)/board%.yaml$")
        if name then
            local node, message, code = yaml.parse(runtime.embedded(file), "@builtin/" .. file)
            errors.check("config", node, message, code)
            boards[name] = { name = name, node = node, source = BUILT_IN, file = "@builtin/" .. file }
        end
    end
    return boards
end

local function all_boards(options)
    local boards = built_in()
    local own, files = configured(options)
    for name, board in pairs(own) do
        boards[name] = board
    end
    return boards, files, own
end

-- What stands before a board's keys in its file, without a dot.
local function key_path(board)
    local is_whole = board.source == BUILT_IN or board.exporter
    return is_whole and "" or "boards." .. board.name
end

local function document_name(board)
    return board.file or board.source
end

local function description(board)
    for _, entry in ipairs(board.node.entries or {}) do
        if entry.key == "description" and entry.value.kind == "scalar" then
            return entry.value.text
        end
    end
    return ""
end

---All boards, sorted by name, and the configuration files that were read.
---@param options jflash.config.options?
---@return { name: string, description: string, source: string }[] boards
---@return string[] files
function M.boards(options)
    local boards, files = all_boards(options or {})
    local list = {}
    for _, name in ipairs(schema.names(boards)) do
        local board = boards[name]
        list[#list + 1] = { name = name, description = description(board), source = board.source }
    end
    return list, files
end

local function choose(name, boards, own)
    local own_names = schema.names(own)
    local names = schema.names(boards)
    local hint = "boards: " .. table.concat(names, ", ")
    if not name and #own_names == 1 then
        return own[own_names[1]]
    elseif not name then
        errors.raise({
            class = "config",
            code = "unsupported",
            message = #own_names == 0 and "no board was named, and no jflash.yaml configures one"
                or "no board was named, and several are configured",
            hint = hint,
        })
    elseif not boards[name] then
        errors.raise({
            class = "config",
            code = "unsupported",
            message = ("no board %s%s"):format(schema.quoted(name), nearest.hint(name, names)),
            hint = hint,
        })
    end
    return boards[name]
end

local function absolute(path, base)
    local home = xdg.home()
    if path:match("^~/") and home then
        return home .. path:sub(2)
    elseif path:match("^/") or not base then
        return path
    end
    return (base .. "/" .. path):gsub("/%./", "/")
end

-- The folder that a relative value of `key` counts from: that of the file, or the
-- working directory for --set. A built-in board has none.
local function base_directory(board, position)
    local cwd = errors.check("host", sys.cwd())
    if position == "--set" then
        return cwd
    elseif board.source == BUILT_IN then
        return nil
    end
    return absolute(board.source:match("^(.*)/[^/]*$") or ".", cwd):gsub("/%.$", "")
end

local function resolve_paths(value, board, positions)
    for _, key in ipairs(PATH_KEYS) do
        local path = value[key]
        if path and not (key == "bundle" and references.is_one(path)) then
            local resolved = absolute(path, (base_directory(board, positions[key])))
            -- What is not there and has no slash is a name that is looked up later
            -- (bundle.lua, scripts.lua).
            local is_name = NAMES[key] and not path:find("/", 1, true) and not sys.stat(resolved)
            value[key] = is_name and path or resolved
        end
    end
end

-- Positions by the board's own keys, without "boards.NAME.".
local function own_positions(positions, prefix)
    local own = {}
    for key, position in pairs(positions) do
        own[prefix == "" and key or key:sub(#prefix + 2)] = position
    end
    return own
end

-- What the exporter file has wrong about a board, unless --set mends it.
local function exporter_problems(board, positions)
    local exporter = board.exporter
    local problems = table.move(exporter.problems, 1, #exporter.problems, 1, {})
    for _, refused in ipairs(exporter.refused) do
        if positions[refused.key] ~= "--set" then
            problems[#problems + 1] = refused.text
        end
    end
    return problems
end

---One board of M.documents or of the built-in ones, with overrides, checked key by key.
---Raises nothing for what the board has wrong: it is listed.
---@param board table
---@param set string[]?
---@return jflash.board value without name, source and files
---@return { positions: table<string, string>, problems: string[], warnings: string[] } info
function M.examine(board, set)
    for _, assignment in ipairs(set or {}) do
        override.apply(board.node, board_schema, assignment)
    end
    local prefix = key_path(board)
    local value, info = schema.examine(board.node, board_schema, { name = document_name(board), path = prefix })
    info.positions = own_positions(info.positions, prefix)
    if board.exporter then
        local problems = exporter_problems(board, info.positions)
        info.problems = table.move(info.problems, 1, #info.problems, #problems + 1, problems)
        info.warnings = table.move(info.warnings, 1, #info.warnings, #board.exporter.warnings + 1,
            table.move(board.exporter.warnings, 1, #board.exporter.warnings, 1, {}))
    end
    if value then
        resolve_paths(value, board, info.positions)
    end
    return value, info
end

---The board `name` as it was written; unset: the only one that the user's files
---configure. Raises a config error when there is none.
---@param name string?
---@param options jflash.config.options?
---@return { name: string, node: table, source: string, exporter: table? } board
---@return string[] files
function M.find(name, options)
    local boards, files, own = all_boards(options or {})
    return choose(name, boards, own), files
end

---The configuration of the board `name`, complete with defaults. Unset: the only
---board that the user's files configure. Raises a config error when there is no
---such board, or when its configuration or an override is wrong.
---@param name string?
---@param options jflash.config.options?
---@return jflash.board
function M.board(name, options)
    local board, files = M.find(name, options)
    local value, info = M.examine(board, options and options.set)
    schema.raise(info.problems)
    value.name, value.source, value.files = board.name, board.source, files
    value.warnings, value.positions = info.warnings, info.positions
    return value
end

return M
