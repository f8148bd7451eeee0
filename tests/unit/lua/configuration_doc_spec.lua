-- SPDX-License-Identifier: Apache-2.0
--
-- docs/configuration.md and the schemas name the same keys, with the same types and
-- defaults; the power drivers have the keys that it says, and an exporter file's keys
-- become what it says.
local board_schema = require("jflash.board_schema")
local drivers = require("jflash.exporter.drivers")
local manifest = require("jflash.manifest")
local powers = require("jflash.power")
local schema = require("jflash.schema")
local sys = require("jflash.sys")

local DOC = arg[0]:match("^(.*)tests/busted%.lua$") .. "docs/configuration.md"

local function default_text(type)
    if type.required then
        return "required"
    elseif type.default == nil or type.kind == "list" then
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
        elseif field.kind == "map" and field.item.kind == "record" then
            leaves(field.item, key .. ".NAME.", found)
        elseif field.kind == "map" then
            found[key .. ".NAME"] = { kind = field.item.kind, required = field.required }
        else
            found[key] = field
        end
    end
    return found
end

-- The section with this heading, up to the next one of its level.
local function section(heading)
    local doc = assert(sys.read_file(DOC))
    local start = assert(doc:find("\n## " .. heading .. "\n", 1, true), heading)
    return doc:sub(start + 1, (doc:find("\n## ", start + 1, true)))
end

local function assert_documented(heading, type, is_other)
    local rows = {}
    for key, kind, default in section(heading):gmatch("\n| `([%w_.]+)` | ([^|]+) | ([^|]+) |") do
        rows[key] = { type = kind, default = default }
    end
    local keys = leaves(type, "", {})
    for key, field in pairs(keys) do
        local row = rows[key]
        assert(row, key .. " is not documented")
        assert.equal(default_text(field), row.default, key)
        local fits = false
        for _, text in ipairs(type_texts(field)) do
            fits = fits or text == row.type
        end
        assert(fits, key .. ": documented as " .. row.type)
    end
    for key in pairs(rows) do
        assert(keys[key] or is_other and key:find(is_other), key .. " is documented, and does not exist")
    end
end

describe("docs/configuration.md", function()
    it("documents every key of a board", function()
        assert_documented("Keys of a board", board_schema, "^power%.")
    end)

    it("documents every key of a manifest", function()
        assert_documented("Keys of a manifest", manifest.schema)
    end)

    it("says what becomes of an exporter file's keys", function()
        local documented, expected = {}, {}
        local text = section("Jumpstarter exporter files")
        for class, key, board_key in text:gmatch("\n| `(%w+)` `([%w_]+)` | `([%w_.]+)` |") do
            documented[class .. " " .. key] = board_key
        end
        for type, driver in pairs(drivers.known) do
            local class = driver.part == "flasher" and "flasher" or type:match("%w+$")
            assert(text:find("`" .. type:match("%w+$") .. "`", 1, true), type .. " is not documented")
            for key, field in pairs(driver.config.fields) do
                expected[class .. " " .. key] = not driver.instead and field.to or nil
            end
        end
        assert.same(expected, documented)
    end)

    it("documents every power driver's keys", function()
        local text = assert(sys.read_file(DOC))
        for _, name in ipairs(powers.types) do
            local part = text:match(("\n### `type: %s`.-\n(.-)\n##"):format(name:gsub("-", "%%-")))
            local documented = {}
            for key in assert(part, name):gmatch("\n| `power%.([%w_.]+)` |") do
                documented[key] = true
            end
            local expected = {}
            for key in pairs(leaves(powers.driver(name).schema, "", {})) do
                expected[key] = true
            end
            assert.same(expected, documented, name)
        end
    end)
end)
