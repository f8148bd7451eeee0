-- SPDX-License-Identifier: Apache-2.0
--
-- What `jflash power` says of the drivers: their list, and the keys of one, in the
-- words of docs/configuration.md.

local errors = require("jflash.errors")
local meanings = require("jflash.meanings")
local nearest = require("jflash.nearest")
local powers = require("jflash.power")
local schema = require("jflash.schema")

local M = {}

--- All drivers that come with jflash, one a line.
---@return string
function M.list()
    local lines = {}
    for index, name in ipairs(powers.types) do
        lines[index] = ("%-14s %s\n"):format(name, powers.driver(name).summary)
    end
    return table.concat(lines)
end

local function default_text(field)
    if field.required then
        return "required"
    elseif field.default == nil or type(field.default) == "table" then
        return nil
    elseif field.kind == "size" then
        return ("%dM"):format(field.default >> 20)
    end
    return math.type(field.default) == "float" and ("%g"):format(field.default) or tostring(field.default)
end

local function kind_text(field)
    if field.kind == "enum" then
        return table.concat(field.values, "|")
    end
    return field.kind == "string" and "text" or field.kind
end

local function add_key(lines, driver, path, field)
    local default = default_text(field)
    table.insert(lines, ("  power.%s: %s%s"):format(path, kind_text(field), default and ", " .. default or ""))
    local meaning = meanings.of_board("power." .. path, driver)
    if meaning then
        table.insert(lines, "      " .. meaning)
    end
end

local function add_keys(lines, driver, path, fields)
    for _, name in ipairs(schema.names(fields)) do
        local field = fields[name]
        if field.kind == "record" then
            add_keys(lines, driver, path .. name .. ".", field.fields)
        elseif field.kind == "map" then
            add_key(lines, driver, path .. name .. ".NAME", field.item)
        else
            add_key(lines, driver, path .. name, field)
        end
    end
end

--- The keys of one driver.
---@param name string
---@return string
function M.explain(name)
    local driver = powers.driver(name)
    if not driver then
        errors.raise({ class = "config", code = "usage",
            message = ("there is no power driver %s%s"):format(schema.quoted(name), nearest.hint(name, powers.types)),
            hint = "jflash power --list shows them" })
    end
    local lines = { ("power.type: %s"):format(name), "    " .. driver.summary, "" }
    add_keys(lines, name, "", driver.schema.fields)
    return table.concat(lines, "\n") .. "\n"
end

return M
