-- SPDX-License-Identifier: Apache-2.0
--
-- What was unpacked of a manifest, in the cache: once, by one run, for all. Its record
-- has every file's digest, and is looked at each time. A tree without a record is what
-- a run left that died; a tree that is not as its record says is made anew.

local caches = require("jflash.cache")
local errors = require("jflash.errors")
local json = require("jflash.json")
local log = require("jflash.log")
local sys = require("jflash.sys")

local M = {}

local MAX_DEPTH = 32

---@class jflash.Tree
---@field path string  of the folder; held until it is closed
local Tree = {}
Tree.__index = Tree

-- The files below a folder, with their digests: `known` ones are believed.
local function collect(root, sub, depth, files, known)
    for _, name in ipairs(errors.check("host", sys.list(root .. "/" .. sub))) do
        local path = sub == "" and name or sub .. "/" .. name
        local info = errors.check("host", sys.stat(root .. "/" .. path, { follow = false }))
        if info.type == "dir" and depth < MAX_DEPTH then
            collect(root, path, depth + 1, files, known)
        elseif info.type == "file" then
            files[path] = { size = info.size,
                sha256 = known[path] or caches.sha256_file(root .. "/" .. path) }
        elseif info.type ~= "dir" then
            files[path] = { type = info.type }
        end
    end
    return files
end

local function same(first, second)
    for path, file in pairs(first) do
        local other = second[path]
        if not other or other.size ~= file.size or other.sha256 ~= file.sha256 or other.type ~= file.type then
            return false, path
        end
    end
    for path in pairs(second) do
        if not first[path] then
            return false, path
        end
    end
    return true
end

local function read_record(path)
    local text = sys.read_file(path .. ".json")
    local record = text and json.decode(text, path)
    return type(record) == "table" and type(record.files) == "table" and record or nil
end

--- Whether the tree is there, whole, and unchanged.
---@param path string
---@param name string  for people
---@return boolean
function M.is_good(path, name)
    local record, info = read_record(path), sys.stat(path)
    if not record or not info or info.type ~= "dir" then
        return false
    end
    local good, where = same(record.files, collect(path, "", 1, {}, {}))
    if not good then
        log.warn("cache: %s is not as it was unpacked (%s)", name, where)
    end
    return good
end

local function total_bytes(files)
    local bytes = 0
    for _, file in pairs(files) do
        bytes = bytes + (file.size or 0)
    end
    return bytes
end

local function write_record(path, name, files)
    errors.check("host", sys.write_file(path .. ".json", json.encode({
        reference = name, bytes = total_bytes(files), files = files,
    })))
end

-- Makes the tree; with the exclusive lock.
local function make(path, name, fill)
    local new = path .. ".new"
    if sys.stat(path .. ".json") then
        errors.check("host", sys.remove(path .. ".json"))
    end
    errors.check("host", sys.remove_tree(path))
    errors.check("host", sys.remove_tree(new))
    errors.check("host", sys.mkdir(new))
    local ok, result = xpcall(fill, errors.wrap, new)
    if not ok then
        sys.remove_tree(new)
        error(result, 0)
    end
    local files = collect(new, "", 1, {}, result)
    errors.check("host", sys.rename(new, path))
    write_record(path, name, files)
end

local function take(cache, sha256, name, exclusive)
    local path = cache:file("locks", caches.key_of("tree:" .. sha256))
    local lock, message, code = sys.lock(path, { exclusive = exclusive })
    if not lock and code == "timeout" then
        log.info("%s is being unpacked by another run: waiting for that", name)
        lock, message, code = sys.lock(path, { exclusive = exclusive, wait_s = 1e9 })
    end
    return errors.check("host", lock, message, code)
end

-- The tree, held, when it is good; with `made` its record is enough.
local function hold(cache, sha256, name, made)
    local path = cache:file("trees", sha256)
    local lock = take(cache, sha256, name, false)
    local ok, record = xpcall(function()
        return (made or M.is_good(path, name)) and read_record(path) or nil
    end, errors.wrap)
    if ok and record then
        write_record(path, name, record.files) -- its time says when it was last used
        return setmetatable({ path = path, lock = lock }, Tree)
    end
    lock:close()
    if not ok then
        error(record, 0)
    end
    return nil
end

local function make_if_missing(cache, sha256, name, fill)
    local path = cache:file("trees", sha256)
    local lock <close> = take(cache, sha256, name, true)
    if not M.is_good(path, name) then
        make(path, name, fill)
    end
    lock:close()
end

--- The tree of a manifest, filled by `fill(dir)` when it is not there.
---@param cache jflash.Cache
---@param sha256 string  of the manifest
---@param name string    for people
---@param fill fun(dir: string): table<string, string>  returns the digests that it knows, by file
---@return jflash.Tree to be closed
function M.open(cache, sha256, name, fill)
    local tree = hold(cache, sha256, name, false)
    while not tree do
        make_if_missing(cache, sha256, name, fill)
        tree = hold(cache, sha256, name, true)
    end
    return tree
end

function Tree:close()
    self.lock:close()
end
Tree.__close = Tree.close

return M
