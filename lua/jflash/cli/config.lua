-- SPDX-License-Identifier: Apache-2.0

local config = require("jflash.config")
local config_check = require("jflash.config_check")
local errors = require("jflash.errors")
local json = require("jflash.json")
local options = require("jflash.cli.options")
local sys = require("jflash.sys")

local M = {}

local EXAMPLES = [[
Examples:
  jflash config check
  jflash config check /etc/jumpstarter/exporters/ti-03.yaml
  jflash config check --board qemu-arm64 --set power.drive=/tmp/disk.img
  jflash config check bundles/qemu-arm64/manifest.yaml --format json]]

function M.define(command)
    command:argument("action", "check: explain every key, and list all that is wrong."):choices({ "check" })
    command:argument("file", "A jflash.yaml, a Jumpstarter exporter file, or a bundle's manifest (default: "
        .. "the configuration files that are found)."):argname("FILE"):args("?")
    options.board(command)
    command:option("--format", "For people (text) or for machines (json)."):choices({ "text", "json" })
        :default("text")
    command:epilog(EXAMPLES)
end

local KINDS = {
    boards = "boards", exporter = "a Jumpstarter exporter file", manifest = "a bundle's manifest",
    unreadable = "cannot be used",
}

-- A value in one line.
local function shown(row)
    if row.secret and row.origin ~= "default" then
        return "(secret, not shown)"
    elseif row.value == nil then
        return "none"
    elseif type(row.value) == "string" and not row.value:find("^%s*$") and not row.value:find("%c")
        and not row.value:find("%s$") then
        return row.value
    elseif math.type(row.value) == "float" then
        return ("%g"):format(row.value)
    end
    return json.encode(row.value)
end

local function print_key(row)
    local where = row.where or row.origin
    local from = row.from and ", " .. row.from or ""
    sys.write(1, ("    %s: %s  [%s%s]\n"):format(row.key, shown(row), where, from))
    if row.meaning then
        sys.write(1, ("        %s\n"):format(row.meaning))
    end
end

local function print_mapped(rows, title)
    if #rows > 0 then
        sys.write(1, ("\n  %s\n"):format(title))
    end
    for _, row in ipairs(rows) do
        local became = row.to and "is " .. row.to or row.note or "read"
        if row.state == "unused" or row.state == "refused" then
            became = ("%s: %s"):format(row.state == "unused" and "not used" or "refused", row.note)
        end
        sys.write(1, ("    %s: %s  [%s]\n        %s\n"):format(row.key, shown(row), row.where, became))
    end
end

local function print_board(board)
    sys.write(1, ("\n  board %s\n"):format(board.name))
    for _, row in ipairs(board.keys) do
        print_key(row)
    end
    print_mapped(board.mapped or {}, ("what the file says of board %s"):format(board.name))
end

local function print_file(file)
    sys.write(1, ("%s: %s\n"):format(file.path, KINDS[file.kind]))
    for _, row in ipairs(file.keys) do
        print_key(row)
    end
    print_mapped(file.mapped, "what the file says of itself")
    for _, board in ipairs(file.boards) do
        print_board(board)
    end
    sys.write(1, "\n")
end

-- All lines of one kind, of the files and of their boards.
local function collect(report, what)
    local lines = {}
    for _, file in ipairs(report.files) do
        table.move(file[what], 1, #file[what], #lines + 1, lines)
        for _, board in ipairs(file.boards) do
            table.move(board[what], 1, #board[what], #lines + 1, lines)
        end
    end
    return lines
end

local function print_text(report)
    for _, file in ipairs(report.files) do
        print_file(file)
    end
    for _, warning in ipairs(collect(report, "warnings")) do
        sys.write(1, "warning: " .. warning .. "\n")
    end
    local problems = collect(report, "problems")
    if #problems > 0 then
        errors.raise({ class = "config", code = "protocol", message = table.concat(problems, "\n") })
    end
    sys.write(1, ("%d board%s: nothing is wrong\n"):format(report.boards, report.boards == 1 and "" or "s"))
end

------------------------------------------------------------------------------
-- JSON: one document whose objects always have the same keys

local function array(items, convert)
    local list = setmetatable({}, json.array)
    for _, item in ipairs(items or {}) do
        list[#list + 1] = convert(item)
    end
    return list
end

local function or_null(value)
    if value == nil then
        return json.null
    end
    return value
end

local function place(where)
    local file, line, column = (where or ""):match("^(.*):(%d+):(%d+)$")
    return or_null(file), or_null(math.tointeger(line)), or_null(math.tointeger(column))
end

local function key_object(row)
    local object = { key = row.key, value = or_null(row.value), secret = row.secret or false,
        origin = row.origin, from = or_null(row.from), meaning = or_null(row.meaning) }
    object.file, object.line, object.column = place(row.where)
    return object
end

local function mapped_object(row)
    local object = { key = row.key, value = or_null(row.value), secret = row.secret or false,
        state = row.state, to = or_null(row.to), note = or_null(row.note) }
    object.file, object.line, object.column = place(row.where)
    return object
end

local function line_object(text)
    local where, message = text:match("^(.-:%d+:%d+): (.*)$")
    local object = { message = message or text }
    object.file, object.line, object.column = place(where)
    return object
end

local function board_object(board)
    return {
        name = board.name, keys = array(board.keys, key_object), mapped = array(board.mapped, mapped_object),
        problems = array(board.problems, line_object), warnings = array(board.warnings, line_object),
    }
end

local function file_object(file)
    return {
        file = file.path, kind = file.kind, keys = array(file.keys, key_object),
        mapped = array(file.mapped, mapped_object), boards = array(file.boards, board_object),
        problems = array(file.problems, line_object), warnings = array(file.warnings, line_object),
    }
end

local function print_json(report)
    sys.write(1, json.encode({ ok = report.problems == 0, files = array(report.files, file_object) },
        { pretty = true }) .. "\n")
end

function M.run(values)
    if values.file and values.config then
        errors.raise({ class = "config", code = "usage", message = "FILE and --config are the same: give one" })
    end
    local report = config_check.report({
        config = values.file or values.config, board = values.board, set = values.set,
    })
    if #report.files == 0 then
        errors.raise({ class = "config", code = "missing", message = "there is no configuration: none of "
            .. table.concat(config.search_files(), ", "), hint = "name a file, or a built-in board by --board" })
    elseif values.format == "json" then
        print_json(report)
        return report.problems == 0 and 0 or errors.status({ class = "config" })
    end
    print_text(report)
    return 0
end

return M
