-- SPDX-License-Identifier: Apache-2.0
--
-- Which boards there are: those of the user's jflash.yaml files, and the ones that
-- are built in. docs/configuration.md describes the file.
--
--   local board = config.board("bench-3", { set = { "uboot.prompt=J7> " } })
--   print(board.console.device, board.timeouts.boot_s)

local board_schema = require("jflash.board_schema")
local errors = require("jflash.errors")
local nearest = require("jflash.nearest")
local override = require("jflash.override")
local runtime = require("jflash.runtime")
local schema = require("jflash.schema")
local sys = require("jflash.sys")
local yaml = require("jflash.yaml")

local M = {}

local FILE = "jflash.yaml"
local BUILT_IN = "built in"
local WRITABLE_BY_OTHERS = 18 -- octal 022
-- Their relative values count from the folder of the file that has them.
local PATH_KEYS = { "bundle", "recipe", "cacert", "cache_dir" }
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

-- The only content that matters at the top: boards stay as nodes, since only the
-- one in use is checked key by key.
local function read_boards(node, name)
    schema.read(node, schema.record({
        boards = schema.map(schema.open(), { simple_names = true, nullable = true, default = {} }),
    }, { nullable = true }), { name = name })
    for _, entry in ipairs(node.entries or {}) do
        if entry.key == "boards" then
            return entry.value.entries or {}
        end
    end
    return {}
end

-- Names user `uid` as people know him.
local function user_name(uid)
    return sys.user and sys.user(uid) or ("user %d"):format(uid)
end

-- A file that others control could run commands as this user (power commands,
-- recipes), so it is refused.
local function check_owner(path, info)
    local mine = info.uid == sys.uid() or info.uid == 0
    if info.type ~= "file" then
        errors.raise({ class = "config", code = "unsupported", message = path .. ": not a regular file" })
    elseif not mine then
        errors.raise({
            class = "config",
            code = "unsupported",
            message = ("%s: refused, since it belongs to %s"):format(path, user_name(info.uid)),
            hint = ("after reading it: chown %s %s"):format(user_name(sys.uid()), path),
        })
    elseif info.mode & WRITABLE_BY_OTHERS ~= 0 then
        errors.raise({
            class = "config",
            code = "unsupported",
            message = ("%s: refused, since others can write it (mode %03o)"):format(path, info.mode),
            hint = ("after reading it: chmod go-w %s"):format(path),
        })
    end
end

-- The boards of one file, as {name =, node =, source =}; nil when there is no file.
local function read_file(path)
    local info, message, code, errno = sys.stat(path)
    if not info and (errno == "ENOENT" or errno == "ENOTDIR") then
        return nil, message, code
    end
    errors.check("config", info, message, code)
    check_owner(path, info)
    local text
    text, message, code = sys.read_file(path)
    errors.check("config", text, message, code)
    local node
    node, message, code = yaml.parse(text, path)
    errors.check("config", node, message, code)
    local boards = {}
    for _, entry in ipairs(read_boards(node, path)) do
        boards[#boards + 1] = { name = entry.key, node = entry.value, source = path }
    end
    return boards
end

local function home_directory()
    local home = sys.getenv("HOME")
    return home and home:sub(1, 1) == "/" and home or nil
end

---The places where jflash.yaml is looked for, the first wins.
---@return string[]
function M.search_files()
    local files = { FILE }
    local xdg, home = sys.getenv("XDG_CONFIG_HOME"), home_directory()
    if xdg and xdg:sub(1, 1) == "/" then
        files[#files + 1] = xdg .. "/jflash/" .. FILE
    elseif home then
        files[#files + 1] = home .. "/.config/jflash/" .. FILE
    end
    files[#files + 1] = "/etc/jflash/" .. FILE
    return files
end

-- All boards of the user's files by name, and the files that exist.
local function configured(options)
    local boards, files, seen = {}, {}, {}
    local places = options.config and { options.config } or options.files or M.search_files()
    for _, path in ipairs(places) do
        local found, message, code = read_file(path)
        if not found and options.config then
            errors.raise({ class = "config", code = code, message = message })
        end
        local real = found and sys.realpath(path) or path
        if found and not seen[real] then
            files[#files + 1] = path
            seen[real] = true
            for _, board in ipairs(found) do
                boards[board.name] = boards[board.name] or board
            end
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

local function key_path(board)
    return board.source == BUILT_IN and "" or "boards." .. board.name
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

---True when a board's `bundle` names a place in a registry, not a folder: it starts
---with oci://, or as registries' names do, with a host that has a dot or a port.
---@param bundle string
function M.is_reference(bundle)
    local host = bundle:match("^([^/]+)/")
    return bundle:match("^oci://") ~= nil
        or host ~= nil and not host:match("^[.~]") and (host:find("[.:]") ~= nil or host == "localhost")
end

local function absolute(path, base)
    local home = home_directory()
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
        if path and not (key == "bundle" and M.is_reference(path)) then
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

---The configuration of the board `name`, complete with defaults. Unset: the only
---board that the user's files configure. Raises a config error when there is no
---such board, or when its configuration or an override is wrong.
---@param name string?
---@param options jflash.config.options?
---@return jflash.board
function M.board(name, options)
    options = options or {}
    local boards, files, own = all_boards(options)
    local board = choose(name, boards, own)
    for _, assignment in ipairs(options.set or {}) do
        override.apply(board.node, board_schema, assignment)
    end
    local prefix = key_path(board)
    local value, info = schema.read(board.node, board_schema, { name = document_name(board), path = prefix })
    local positions = own_positions(info.positions, prefix)
    resolve_paths(value, board, positions)
    value.name, value.source, value.files = board.name, board.source, files
    value.warnings, value.positions = info.warnings, positions
    return value
end

return M
