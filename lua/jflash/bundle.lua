-- SPDX-License-Identifier: Apache-2.0
--
-- A flash bundle in a folder: its manifest, and the files that it names. Nothing
-- outside the folder is ever reached, neither by name nor by symbolic link.
--
--   local b = bundle.open("bundles/qemu-arm64")
--   for _, file in ipairs(b:files()) do print(file.role, file.path, file.size_bytes) end

local errors = require("jflash.errors")
local image = require("jflash.image")
local manifest = require("jflash.manifest")
local nearest = require("jflash.nearest")
local references = require("jflash.oci.reference")
local runtime = require("jflash.runtime")
local schema = require("jflash.schema")
local sys = require("jflash.sys")
local xdg = require("jflash.xdg")

local M = {}

local LISTED = 30   -- names in a hint
local MAX_FILES = 1000
local MAX_DEPTH = 8 -- folders below the bundle

---@class jflash.bundle
---@field dir string as it was opened
---@field root string the same, absolute and without links
---@field manifest jflash.manifest
---@field reference string|nil  of one that was pulled
---@field oci_digest string|nil of one that was pulled: of the registry's manifest
local Bundle = {}
Bundle.__index = Bundle

local function fail(message, hint)
    errors.raise({ class = "config", code = "unsupported", message = message, hint = hint })
end

local function collect(root, sub, depth, names)
    for _, name in ipairs(sys.list(root .. "/" .. sub) or {}) do
        local path = sub == "" and name or sub .. "/" .. name
        local info = sys.stat(root .. "/" .. path, { follow = false })
        if #names >= MAX_FILES then
            return
        elseif info and info.type == "dir" and depth < MAX_DEPTH then
            collect(root, path, depth + 1, names)
        elseif info and info.type ~= "dir" then
            names[#names + 1] = path
        end
    end
end

---The names of the bundle's files, sorted, relative to it.
---@return string[]
function Bundle:list()
    local names = {}
    collect(self.root, "", 0, names)
    table.sort(names)
    return names
end

-- What the bundle holds, as a hint.
local function contents(self)
    local names = self:list()
    local more = #names > LISTED and (" and %d more"):format(#names - LISTED) or ""
    local shown = table.concat(names, ", ", 1, math.min(#names, LISTED))
    return #names == 0 and "the bundle is empty" or "in the bundle: " .. shown .. more
end

-- The real path of `name` in the bundle; `where` starts the messages.
local function locate(self, name, where)
    local wrong = manifest.check_file(name)
    if wrong then
        fail(("%s: %s"):format(where, wrong))
    end
    local path, message, _, errno = sys.realpath(self.root .. "/" .. name)
    if not path and (errno == "ENOENT" or errno == "ENOTDIR") then
        fail(("%s: %s is not in the bundle %s%s"):format(where, schema.quoted(name), self.dir,
            nearest.hint(name, self:list())), contents(self))
    elseif not path then
        fail(("%s: %s"):format(where, message))
    elseif path:sub(1, #self.root + 1) ~= self.root .. "/" then
        fail(("%s: %s is a link that leads out of the bundle %s"):format(where, schema.quoted(name), self.dir))
    end
    local info = sys.stat(path)
    if not info or info.type ~= "file" then
        fail(("%s: %s is not a file (%s)"):format(where, schema.quoted(name), info and info.type or "gone"))
    end
    return path, info.size
end

---The path of a file of the bundle, without links. Raises when it is not there, is
---no file, or lies outside; `where` (a place in the manifest) then starts the message.
---@param file string
---@param where string?
---@return string path
---@return integer size_bytes
function Bundle:path(file, where)
    for _, named in ipairs(where and {} or self.manifest:all_files()) do
        where = where or named.file == file and named.where or nil
    end
    return locate(self, file, where or self.dir)
end

-- A file of one's own takes the place of the bundle's, which need not be there then.
-- The board asks for it by a name that no character in a path can damage.
local function own_file(self, role, own)
    local address = self.manifest:address(role)
    if not address then
        fail(("%s: there is no spec.%s.address to load your %s to"):format(self.manifest.source, role, role))
    end
    return { role = role, file = "own/" .. role, address = address, path = own.path, size_bytes = own.size_bytes }
end

---What U-Boot loads for the variant `name` (unset: the default), each file proven
---to be there.
---@param name string?
---@param own table<string, { path: string, size_bytes: integer }>? by role, instead of the bundle's
---@return { role: string, file: string, address: string, path: string, size_bytes: integer }[]
function Bundle:files(name, own)
    local named = {}
    for _, file in ipairs(self.manifest:files(name)) do
        named[file.role] = file
    end
    local files = {}
    for _, role in ipairs(manifest.roles) do
        local file = named[role]
        if own and own[role] then
            file = own_file(self, role, own[role])
        elseif file then
            file.path, file.size_bytes = self:path(file.file, file.where)
        end
        table.insert(files, file)
    end
    return files
end

local function manifest_line(self)
    local digest, message, code = image.sha256_file(self.manifest_path)
    errors.check("host", digest, message, code)
    return ("%s  %s\n"):format(digest, self.manifest_path:match("[^/]+$"))
end

---A digest of the manifest and the files given: what `sha256sum FILE… | sha256sum`
---prints in the bundle's folder, the manifest first.
---@param files { file: string, path: string }[]  see Bundle:files
---@return string digits
function Bundle:digest(files)
    local lines = { manifest_line(self) }
    for _, file in ipairs(files) do
        local digest, message, code = image.sha256_file(file.path)
        errors.check("host", digest, message, code)
        lines[#lines + 1] = ("%s  %s\n"):format(digest, file.file)
    end
    return image.sha256(table.concat(lines))
end

---Proves that every file that the manifest names is there. Raises otherwise.
function Bundle:check()
    for _, named in ipairs(self.manifest:all_files()) do
        self:path(named.file, named.where)
    end
end

-- Where bundles that are known by a bare name lie: beside the program that was just
-- built, in the user's data folder, in the installation.
local function places(name)
    local program, data = sys.process_exe(sys.pid()), xdg.folder("data")
    local found = {}
    found[#found + 1] = program and ("%s/bundles/%s"):format(program:match("^(.*)/"), name)
    found[#found + 1] = data and ("%s/bundles/%s"):format(data, name)
    found[#found + 1] = ("%s/bundles/%s"):format(runtime.share_dir, name)
    return found
end

---The folder of a bundle: `place` itself when it is one, else where a bundle of that
---name was built; nil when it was not.
---@param place string a folder, or a bare name like "qemu-arm64"
---@return string? dir
function M.lookup(place)
    if place:find("/", 1, true) or sys.stat(place) then
        return place
    end
    for _, dir in ipairs(places(place)) do
        if sys.stat(dir .. "/manifest.yaml") then
            return dir
        end
    end
    return nil
end

---As lookup. Raises a config error that says how to build it.
---@param place string
---@return string dir
function M.find(place)
    local dir = M.lookup(place)
    if dir then
        return dir
    end
    local tried = places(place)
    return errors.raise({
        class = "config",
        code = "missing",
        message = ("the bundle %q is in none of %s"):format(place, table.concat(tried, ", ")),
        hint = ("in the source tree ./dev bundle %s builds it; an installation has "
            .. "%s/bundles/%s/build.sh DIR"):format(place, runtime.share_dir, place),
    })
end

-- A registry's, by reference; its folder is held until the bundle is closed.
local function open_pulled(reference, options)
    local pulled = require("jflash.oci.bundle").pull(reference, options.oci, options.board)
    local ok, self = xpcall(M.open, errors.wrap, pulled.path, options)
    if not ok then
        pulled:close()
        error(self, 0)
    end
    self.pulled, self.reference, self.oci_digest = pulled, pulled.reference, pulled.digest
    return self
end

---Whether a place is a reference to a registry; a folder that is there is a folder.
---@param place string
---@return boolean
function M.is_remote(place)
    return references.is_one(place) and not sys.stat(place)
end

---Opens the bundle that a board or a person names: a folder, a bare name, or a
---reference to a registry, which is pulled. Raises.
---@param place string
---@param options { manifest: string?, strict: boolean?, oci: jflash.OciSettings, board: table }
---@return jflash.bundle to be closed
function M.open_at(place, options)
    if M.is_remote(place) then
        return open_pulled(place, options)
    end
    return M.open(M.find(place), options)
end

---Lets go of a bundle that was pulled.
function Bundle:close()
    if self.pulled then
        self.pulled:close()
        self.pulled = nil
    end
end
Bundle.__close = Bundle.close

---Opens the bundle in the folder `dir`. Raises a config error.
---@param dir string
---@param options { manifest: string?, strict: boolean? }? `manifest`: its file name
---@return jflash.bundle
function M.open(dir, options)
    local name = options and options.manifest or "manifest.yaml"
    local root, message, code = sys.realpath(dir)
    errors.check("config", root, message, code)
    if sys.stat(root).type ~= "dir" then
        fail(dir .. ": a bundle is a folder; this is not")
    end
    local self = setmetatable({ dir = dir, root = root }, Bundle)
    locate(self, name, dir)
    self.manifest_path = dir .. "/" .. name
    self.manifest = manifest.load(self.manifest_path, { strict = options and options.strict })
    return self
end

return M
