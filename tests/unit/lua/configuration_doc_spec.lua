-- SPDX-License-Identifier: Apache-2.0
--
-- docs/configuration.md and the schema name the same keys, with the same types and
-- defaults; and the power drivers have the keys that it says.
local board_schema = require("jflash.board_schema")
local powers = require("jflash.power")
local schema = require("jflash.schema")
local sys = require("jflash.sys")

local DOC = arg[0]:match("^(.*)tests/busted%.lua$") .. "docs/configuration.md"

local function default_text(type)
    if type.required then
        return "required"
    elseif type.default == nil then
        return "none"
    end
    local value = type.default
    if type.kind == "size" then
        value = ("%dG"):format(value >> 30)
    elseif math.type(value) == "float" then
        value = ("%g"):format(value)
    elseif value == "" or value == "\27" or tostring(value):match(" $") then
        value = ('"%s"'):format(value:gsub("\27", "\\x1b"))
    end
    return ("`%s`"):format(value)
end

local SHOWN_TYPES = { string = { "text", "path", "IPv4" } }

local function type_texts(type)
    if type.kind == "enum" then
        return { "`" .. table.concat(type.values, "`, `") .. "`" }
    end
    return SHOWN_TYPES[type.kind] or { type.kind }
end

-- All keys that hold a value: "console.device" -> type.
local function leaves(type, path, found)
    for _, name in ipairs(schema.names(type.fields)) do
        local field = type.fields[name]
        local key = path .. name
        if field.kind == "record" then
            leaves(field, key .. ".", found)
        elseif field.kind == "map" then
            leaves(field.item, key .. ".NAME.", found)
        else
            found[key] = field
        end
    end
    return found
end

describe("docs/configuration.md", function()
    it("documents every key", function()
        local rows = {}
        local doc = assert(sys.read_file(DOC))
        for key, type, default in doc:gmatch("\n| `([%w_.]+)` | ([^|]+) | ([^|]+) |") do
            rows[key] = { type = type, default = default }
        end
        local keys = leaves(board_schema, "", {})
        for key, type in pairs(keys) do
            local row = rows[key]
            assert(row, key .. " is not documented")
            assert.equal(default_text(type), row.default, key)
            local fits = false
            for _, text in ipairs(type_texts(type)) do
                fits = fits or text == row.type
            end
            assert(fits, key .. ": documented as " .. row.type)
        end
        for key in pairs(rows) do
            assert(keys[key] or key:find("^power%."), key .. " is documented, and does not exist")
        end
    end)

    it("documents every power driver's keys", function()
        local text = assert(sys.read_file(DOC))
        for _, name in ipairs(powers.types) do
            local section = text:match(("\n### `type: %s`.-\n(.-)\n##"):format(name))
            local documented = {}
            for key in assert(section, name):gmatch("\n| `power%.([%w_]+)` |") do
                documented[key] = true
            end
            local expected = {}
            for key in pairs(powers.driver(name).keys) do
                expected[key] = true
            end
            assert.same(expected, documented, name)
        end
    end)
end)
