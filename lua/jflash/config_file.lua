-- SPDX-License-Identifier: Apache-2.0
--
-- One configuration file: who may write it, what kind it is, and the boards in it.
--
--   local document = config_file.read("/etc/jflash/jflash.yaml")
--   print(document.kind, #document.boards)

local errors = require("jflash.errors")
local nearest = require("jflash.nearest")
local schema = require("jflash.schema")
local sys = require("jflash.sys")
local yaml = require("jflash.yaml")

local M = {}

local WRITABLE_BY_OTHERS = 18 -- octal 022
-- The content of `kind` -> ours.
local KINDS = { ExporterConfig = "exporter", FlashBundleManifest = "manifest" }

---@class jflash.config_file
---@field path string
---@field kind "boards"|"exporter"|"manifest"|"unreadable" of a kind that is not known
---@field node table the YAML tree
---@field boards { name: string, node: table, source: string, exporter: jflash.exporter.board? }[]
---@field problems string[] of the file as a whole
---@field warnings string[]
---@field exporter jflash.exporter? for kind "exporter"

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

local function top_level(node)
    local values = {}
    for _, entry in ipairs(node.entries or {}) do
        values[entry.key] = entry.value
    end
    return values
end

-- What the file says that it is: its kind, or nil and what is wrong with it.
local function kind_of(node)
    local values = top_level(node)
    local kind = values.kind
    if not kind then
        return values.export and "exporter" or "boards"
    elseif KINDS[kind.text] then
        return KINDS[kind.text]
    end
    local known = schema.names(KINDS)
    return nil, ("%d:%d: kind: %s is none of %s%s"):format(kind.line, kind.column,
        schema.quoted(kind.text or kind.kind), table.concat(known, ", "), nearest.hint(kind.text or "", known))
end

-- The only content that matters at the top: boards stay as nodes, since only the one
-- in use is checked key by key.
local BOARDS = schema.record({
    boards = schema.map(schema.open(), { simple_names = true, nullable = true, default = {} }),
}, { nullable = true })

local function add_boards(document)
    local _, info = schema.examine(document.node, BOARDS, { name = document.path })
    document.problems, document.warnings = info.problems, info.warnings
    for _, entry in ipairs(document.node.entries or {}) do
        for _, board in ipairs(entry.key == "boards" and entry.value.entries or {}) do
            table.insert(document.boards, { name = board.key, node = board.value, source = document.path })
        end
    end
end

local function add_exporter(document)
    local exporter = require("jflash.exporter").read(document.node, document.path)
    document.exporter = exporter
    document.problems, document.warnings = exporter.problems, exporter.warnings
    for _, board in ipairs(exporter.boards) do
        table.insert(document.boards, {
            name = board.name, node = board.node, source = document.path, exporter = board,
        })
    end
end

---Reads a file. nil, message and code when there is none; raises a config error when it
---cannot be trusted, read or parsed. What its content has wrong is listed in it.
---@param path string
---@return jflash.config_file?
---@return string? message
---@return string? code
function M.read(path)
    local info, message, code, errno = sys.stat(path)
    if not info and (errno == "ENOENT" or errno == "ENOTDIR") then
        return nil, message, code
    end
    errors.check("config", info, message, code)
    check_owner(path, info)
    local text = errors.check("config", sys.read_file(path))
    local node = errors.check("config", yaml.parse(text, path))
    local document = { path = path, node = node, boards = {}, problems = {}, warnings = {} }
    local problem
    document.kind, problem = kind_of(node)
    if problem then
        document.kind, document.problems = "unreadable", { path .. ":" .. problem }
    elseif document.kind == "exporter" then
        add_exporter(document)
    elseif document.kind == "boards" then
        add_boards(document)
    end
    return document
end

return M
