-- SPDX-License-Identifier: Apache-2.0
--
-- What was fetched, kept by its content: a blob is a file whose name is its SHA-256,
-- and an index says which blob a URL last gave. Runs side by side share it: a blob
-- that is in use is locked against eviction, a URL that is being fetched against a
-- second fetch. All locks end with their process.
--
--     blobs/SHA256        the content
--     used/SHA256         its time of change says when the blob was last used
--     urls/KEY.json       the URL's blob, with what the server calls that state
--     partial/KEY         what has arrived of a URL; KEY.json: of which state
--     trees/SHA256        what was unpacked of the manifest with this digest (oci/tree.lua)
--     locks/…             locks on blobs, URLs and trees
--
-- KEY is the SHA-256 of a URL: a URL may hold secrets. A blob that is fetched by its
-- digest has "sha256:DIGEST" for its URL, and no entry in urls/.

local errors = require("jflash.errors")
local image = require("jflash.image")
local json = require("jflash.json")
local log = require("jflash.log")
local sys = require("jflash.sys")
local xdg = require("jflash.xdg")

local M = {}

local CLAIM_POLL_S = 0.2
local FOLDERS = { "blobs", "used", "urls", "partial", "trees", "locks" }

---@class jflash.Cache
---@field path string
---@field limit integer  bytes
local Cache = {}
Cache.__index = Cache

---A content, held: it is not evicted until it is closed.
---@class jflash.Blob
---@field path string
---@field sha256 string
local Blob = {}
Blob.__index = Blob

---A URL that we may fetch.
---@class jflash.Claim
---@field path string     where to
---@field offset integer  how many bytes are there already
---@field state {etag: string|nil, last_modified: string|nil}  of which state they are
local Claim = {}
Claim.__index = Claim

local function default_path()
    return xdg.need("cache", "the cache", "set cache_dir in the board's configuration, or cache_limit to 0")
end

--- Opens the cache that a board's configuration names.
---@param board {cache_dir: string|nil, cache_limit: integer}
---@return jflash.Cache|nil  nil when it is turned off
function M.open(board)
    if board.cache_limit == 0 then
        return nil
    end
    local self = setmetatable({ path = board.cache_dir or default_path(), limit = board.cache_limit }, Cache)
    for _, folder in ipairs(FOLDERS) do
        errors.check("host", sys.mkdir(("%s/%s"):format(self.path, folder), { parents = true }))
    end
    return self
end

--- What stands for a URL in names.
---@param url string
---@return string
local function key_of(url)
    return image.sha256((url:gsub("#.*$", "")))
end
M.key_of = key_of

function Cache:file(folder, name)
    return ("%s/%s/%s"):format(self.path, folder, name)
end

local function size_of(path)
    local info = sys.stat(path)
    return info and info.type == "file" and info.size or nil
end

--- The SHA-256 of a file, which may be empty. Raises class host.
---@param path string
---@return string digits
function M.sha256_file(path)
    if size_of(path) == 0 then
        return image.sha256("")
    end
    return (errors.check("host", image.sha256_file(path)))
end

local function read_json(path)
    local text = sys.read_file(path)
    local value = text and json.decode(text, path)
    return type(value) == "table" and value or nil
end

local function write_json(path, value)
    errors.check("host", sys.write_file(path, json.encode(value)))
end

-- What is not there need not be removed.
local function remove(path)
    if sys.stat(path, { follow = false }) then
        errors.check("host", sys.remove(path))
    end
end

--- The blob with this digest, held; nil when there is none.
---@param sha256 string
---@return jflash.Blob|nil
function Cache:find(sha256)
    local lock = sys.lock(self:file("locks", sha256), { exclusive = false })
    if not lock then
        return nil -- it is being evicted
    end
    local path = self:file("blobs", sha256)
    if not size_of(path) then
        lock:close()
        return nil
    end
    errors.check("host", sys.write_file(self:file("used", sha256), ""))
    return setmetatable({ path = path, sha256 = sha256, lock = lock }, Blob)
end

function Blob:close()
    self.lock:close()
end
Blob.__close = Blob.close

--- What the URL last gave: the blob, held, and how the server calls that state.
---@param url string
---@return jflash.Blob|nil
---@return {etag: string|nil, last_modified: string|nil}|nil
function Cache:recall(url)
    local entry = read_json(self:file("urls", key_of(url) .. ".json"))
    if not entry or not tostring(entry.sha256):find("^%x+$") then
        return nil
    end
    local blob = self:find(entry.sha256)
    if blob and size_of(blob.path) ~= entry.bytes then
        self:drop(blob)
        return nil
    end
    return blob, blob and entry or nil
end

--- Takes a blob out that is not what its name says.
---@param blob jflash.Blob
function Cache:drop(blob)
    remove(blob.path)
    remove(self:file("used", blob.sha256))
    blob:close()
end

-- What is left of an earlier fetch, if it is known of which state it is.
local function read_partial(claim)
    local state = read_json(claim.path .. ".json")
    local size = size_of(claim.path)
    if not state or not size or size == 0 then
        return 0, {}
    end
    -- All of it may be there: a byte is asked for again, since a range may not be empty.
    return state.total and math.min(size, state.total - 1) or size, state
end

--- Takes the right to fetch a URL; waits while another run fetches it.
---@param url string
---@param name string  for people
---@param meanwhile fun()|nil  done again and again while it waits
---@return jflash.Claim
function Cache:claim(url, name, meanwhile)
    local key = key_of(url)
    local path = self:file("locks", key)
    local lock, message, code, holder = sys.lock(path)
    if not lock and code == "timeout" then
        log.info("%s is being fetched by another run (%s): waiting for that", name, holder)
    end
    while not lock and code == "timeout" do
        if meanwhile then
            meanwhile()
        end
        lock, message, code = sys.lock(path, { wait_s = CLAIM_POLL_S })
    end
    errors.check("host", lock, message, code)
    local claim = setmetatable({ cache = self, key = key, path = self:file("partial", key), lock = lock,
        is_content = url:find("^sha256:") ~= nil }, Claim)
    claim.offset, claim.state = read_partial(claim)
    return claim
end

--- Notes of which state the bytes are that arrive from now on.
---@param answer {etag: string|nil, last_modified: string|nil, total: integer|nil}
function Claim:note(answer)
    write_json(self.path .. ".json", {
        etag = answer.etag, last_modified = answer.last_modified, total = answer.total,
    })
end

--- Forgets of which state the bytes are: from now on others may come.
function Claim:unnote()
    remove(self.path .. ".json")
end

--- Forgets what has arrived.
function Claim:discard()
    remove(self.path .. ".json")
    remove(self.path)
end

--- Keeps what was fetched.
---@param result {sha256: string, bytes: integer, etag: string|nil, last_modified: string|nil}
---@return jflash.Blob held
function Claim:store(result)
    local cache = self.cache
    local path = cache:file("blobs", result.sha256)
    -- The same bytes may be there by another URL, and in use: theirs stay.
    local blob = cache:find(result.sha256)
    if blob then
        remove(self.path)
    else
        errors.check("host", sys.rename(self.path, path))
        blob = cache:find(result.sha256)
    end
    if not blob then
        errors.raise({ class = "host", code = "io", message = path .. ": was removed as soon as it was there" })
    end
    remove(self.path .. ".json")
    if not self.is_content then
        write_json(cache:file("urls", self.key .. ".json"), {
            sha256 = result.sha256, bytes = result.bytes, etag = result.etag, last_modified = result.last_modified,
        })
    end
    cache:trim()
    return blob
end

--- Keeps a text that was fetched by other means, as what the URL gives.
---@param url string
---@param text string
---@return jflash.Blob held
function Cache:keep(url, text)
    local claim <close> = self:claim(url, url)
    claim:unnote()
    errors.check("host", sys.write_file(claim.path, text))
    return claim:store({ sha256 = image.sha256(text), bytes = #text })
end

function Claim:close()
    self.lock:close()
end
Claim.__close = Claim.close

local function names_in(self, folder)
    return errors.check("host", sys.list(self:file(folder, "")))
end

local function add_blobs(self, found)
    for _, name in ipairs(names_in(self, "blobs")) do
        local path, used = self:file("blobs", name), sys.stat(self:file("used", name))
        table.insert(found, { kind = "blob", name = name, lock = name, path = path, size = size_of(path) or 0,
            time = used and used.mtime or 0, also = self:file("used", name) })
    end
end

local function add_partial(self, found)
    for _, name in ipairs(names_in(self, "partial")) do
        local path = self:file("partial", name)
        local info = sys.stat(path)
        if info and not name:find("%.json$") then
            table.insert(found, { kind = "partial", name = name, lock = name, path = path, size = info.size,
                time = info.mtime, also = path .. ".json" })
        end
    end
end

-- A tree without its record is one that a run left behind when it died.
local function add_trees(self, found)
    for _, name in ipairs(names_in(self, "trees")) do
        local sha256 = name:match("^%x+")
        local path = self:file("trees", name)
        local record, info = read_json(path .. ".json"), sys.stat(path)
        if info and info.type == "dir" then
            table.insert(found, { kind = "tree", name = name, lock = key_of("tree:" .. sha256), path = path,
                size = record and math.tointeger(record.bytes) or 0,
                time = record and sys.stat(path .. ".json").mtime or 0,
                also = path .. ".json", reference = record and record.reference })
        end
    end
end

--- What is kept, the one first that was used the longest time ago.
---@return {kind: "blob"|"partial"|"tree", name: string, path: string, size: integer, time: number}[]
function Cache:entries()
    local found = {}
    add_blobs(self, found)
    add_partial(self, found)
    add_trees(self, found)
    table.sort(found, function(first, second)
        return first.time < second.time
    end)
    return found
end

--- Removes an entry unless it is in use.
---@param entry table  of Cache:entries
---@return boolean
function Cache:evict(entry)
    local lock = sys.lock(self:file("locks", entry.lock))
    if not lock then
        return false
    end
    remove(entry.also) -- first: what tells that a tree is complete
    errors.check("host", sys.remove_tree(entry.path))
    -- Who waits for the lock finds its file gone and makes another.
    remove(self:file("locks", entry.lock))
    lock:close()
    log.record(("cache: %s removed"):format(entry.path), { bytes = entry.size })
    return true
end

--- Removes what was not used for the longest time, until `room` bytes more may come
--- and the limit holds, or all that is left is in use.
---@param room integer|nil
function Cache:trim(room)
    local entries, total = self:entries(), room or 0
    for _, entry in ipairs(entries) do
        total = total + entry.size
    end
    for _, entry in ipairs(entries) do
        if total <= self.limit then
            break
        end
        if self:evict(entry) then
            total = total - entry.size
        end
    end
end

return M
