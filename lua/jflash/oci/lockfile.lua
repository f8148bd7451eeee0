-- SPDX-License-Identifier: Apache-2.0
--
-- jflash.lock: which digest a tag had when it was written, so that later runs take
-- the same content. JSON, for people and version control:
--
--     { "version": 1, "references": { "oci://quay.io/org/bundle:1": "sha256:…" } }

local errors = require("jflash.errors")
local json = require("jflash.json")
local sys = require("jflash.sys")

local M = {}

M.NAME = "jflash.lock"

local VERSION = 1

local function fail(path, what)
    errors.raise({ class = "config", code = "unsupported", message = ("%s: %s"):format(path, what),
        hint = "jflash bundle pull REF --lock writes it" })
end

local function check(path, content)
    if type(content) ~= "table" or type(content.references) ~= "table" then
        fail(path, "is no lock file: an object with references was expected")
    elseif content.version ~= VERSION then
        fail(path, ("has the version %s; this jflash knows %d"):format(tostring(content.version), VERSION))
    end
    for reference, digest in pairs(content.references) do
        if type(digest) ~= "string" or not digest:find("^sha256:" .. ("[0-9a-f]"):rep(64) .. "$") then
            fail(path, ("%s has no digest: sha256: and 64 digits are one"):format(reference))
        end
    end
    return content
end

-- The file's content; nil when there is none.
local function read(path)
    if not sys.stat(path) then
        return nil
    end
    local text = errors.check("config", sys.read_file(path, { limit_bytes = 1 << 20 }))
    local content, message = json.decode(text, path)
    if not content then
        fail(path, message)
    end
    return check(path, content)
end

--- The digest that is written for a reference in the first of the folders that has it.
---@param folders string[]
---@param reference string  in full
---@return string|nil digest
---@return string|nil path
function M.find(folders, reference)
    for _, folder in ipairs(folders) do
        local path = folder .. "/" .. M.NAME
        local content = read(path)
        if content and content.references[reference] then
            return content.references[reference], path
        end
    end
    return nil
end

--- Writes the digest of a reference into a folder's lock file.
---@param folder string
---@param reference string
---@param digest string
---@return string path
function M.write(folder, reference, digest)
    local path = folder .. "/" .. M.NAME
    local content = read(path) or { version = VERSION, references = {} }
    content.references[reference] = digest
    errors.check("host", sys.write_file(path, json.encode(content, { pretty = true }) .. "\n", { mode = 420 }))
    return path
end

return M
