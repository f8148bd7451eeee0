-- SPDX-License-Identifier: Apache-2.0
--
-- FILE, into which storage is dumped, and what stands for it until it is whole:
--
--   FILE.part        the ranges so far (jflash.store)
--   FILE.part.jsonl  what they are: a line about the storage, then one per range,
--                    written when the range is in FILE.part
--   FILE.part.d      the range that is arriving
--
-- What was stored before is believed only after its digests were compared, here
-- and, by transfer.lua, on the board.

local errors = require("jflash.errors")
local image = require("jflash.image")
local json = require("jflash.json")
local locks = require("jflash.lock")
local log = require("jflash.log")
local store = require("jflash.store")
local sys = require("jflash.sys")

local M = {}

local FORMAT = 1
local LIMIT_BYTES = 256 * 1024 * 1024
local COMPRESSED = { xz = "xz", zst = "zstd", gz = "gzip" }
-- What io.write calls a disk that is full (errno.h of Linux).
local FULL = { [27] = "EFBIG", [28] = "ENOSPC", [122] = "EDQUOT" }
local UNKNOWN = { bz2 = true, lz4 = true, lzma = true, zip = true, zstd = true, tgz = true }

---@class jflash.dump.File
---@field path string
---@field part string          FILE.part
---@field incoming string      FILE.part.d
---@field ranges {bytes: integer, stored_bytes: integer, sha256: string}[]  that are stored
---@field facts table|nil      of the storage; see M.begin
---@field replace boolean
local File = {}
File.__index = File

local function config_error(code, message, hint)
    errors.raise({ class = "config", code = code, message = message, hint = hint })
end

-- Compressed as the name ends.
local function format_of(path)
    local ending = path:match("[^/.]%.(%w+)$")
    if UNKNOWN[ending] then
        config_error("unsupported", ("%s: a dump is not compressed as .%s"):format(path, ending),
            "it can end in .xz, .zst or .gz; every other name gets the plain bytes")
    end
    return COMPRESSED[ending] or "raw"
end

local function check_place(path, replace)
    local folder = path:match("^(.*)/[^/]*$") or "."
    local info = sys.stat(folder == "" and "/" or folder)
    if path:sub(-1) == "/" or not info or info.type ~= "dir" then
        config_error("missing", ("%s: there is no folder for it"):format(path))
    end
    local existing = sys.stat(path)
    if existing and (existing.type ~= "file" or not replace) then
        config_error("exists", ("%s exists"):format(path), existing.type == "file"
            and "--force replaces it when the dump is whole" or "it is no regular file")
    end
end

-- Words for a disk that is full.
local function full_message(self, message)
    local free = sys.free_bytes(self.path:match("^(.*/)[^/]*$") or ".")
    return ("%s; %s of %s are dumped, %s are free"):format(message, log.size(self:bytes()),
        log.size(self.facts.size_bytes), free and log.size(free) or "?")
end

-- What this host refuses while it stores. What is stored stays.
local function check(self, value, message, code, errno)
    if value ~= nil then
        return value
    end
    local full = self.facts and (errno == "ENOSPC" or errno == "EDQUOT" or errno == "EFBIG")
    return errors.raise({
        class = code == "cancelled" and "cancelled" or "host", code = code, errno = errno,
        message = full and full_message(self, message) or message,
        hint = full and "make room and give the same command again: it goes on from there" or nil,
    })
end

------------------------------------------------------------------------------
-- The state

local function write_state(self)
    local lines = { json.encode(self.facts) }
    for index, range in ipairs(self.ranges) do
        lines[index + 1] = json.encode(range)
    end
    local text = table.concat(lines, "\n") .. "\n"
    check(self, sys.write_file(self.state, text))
end

-- Not written anew each time: it has a line for each of many thousand ranges.
local function append_state(self, range)
    local file <close> = check(self, io.open(self.state, "a"))
    file:setvbuf("no")
    local ok, message, number = file:write(json.encode(range) .. "\n")
    check(self, ok, ("%s: %s"):format(self.state, message), "io", FULL[number])
end

-- A last line that was cut is none.
local function read_state(self)
    local text = errors.check("host", sys.read_file(self.state, { limit_bytes = LIMIT_BYTES }))
    local facts, ranges = nil, {}
    for line in text:gmatch("[^\n]+\n") do
        local entry = json.decode(line)
        if not facts then
            facts = entry
        elseif entry then
            table.insert(ranges, entry)
        end
    end
    return facts, ranges
end

local MUST_AGREE = { "jflash_dump", "size_bytes", "model", "label", "format" }

-- Whether an earlier dump was of the same storage, as far as its outside tells.
local function check_same(self, earlier)
    for _, key in ipairs(MUST_AGREE) do
        if not earlier or earlier[key] ~= self.facts[key] then
            config_error("mismatch", ("%s is of another dump: its %s is %s, now it is %s"):format(self.part,
                key, tostring(earlier and earlier[key]), tostring(self.facts[key])),
                "is it the right board, target and file? Else begin anew with --force")
        end
    end
end

-- Opens FILE.part and walks over the ranges that are good, at most `count`.
local function open_store(self, ranges, count)
    if self.store then
        self.store:close()
    end
    self.store = check(self, store.open(self.part, { format = self.format }))
    self.ranges = {}
    for index = 1, math.min(#ranges, count) do
        local range = ranges[index]
        local ok, message, code = self.store:check({
            bytes = range.bytes, stored_bytes = range.stored_bytes, sha256 = range.sha256,
        })
        if not ok and code == "checksum" then
            log.warn("%s: %s; what follows is dumped again", self.part, message)
            break
        end
        check(self, ok, message, code)
        self.ranges[index] = range
        log.progress("check", self.store:bytes(), self.facts.size_bytes)
    end
end

local function forget(self)
    for _, path in ipairs({ self.part, self.state }) do
        if sys.stat(path) then
            check(self, sys.remove(path))
        end
    end
end

--- Begins, or goes on with what an earlier command left.
---@param facts table  of the storage: size_bytes, range_bytes, model, label, …
function File:begin(facts)
    facts.jflash_dump, facts.format = FORMAT, self.format
    self.facts = facts
    if self.replace then
        forget(self)
    end
    local ranges = {}
    if sys.stat(self.state) then
        local earlier
        earlier, ranges = read_state(self)
        check_same(self, earlier)
        facts.range_bytes = earlier.range_bytes
    end
    open_store(self, ranges, #ranges)
    write_state(self)
    if #self.ranges > 0 then
        log.info("%s: going on with %s of an earlier dump, compared with the board's first", self.part,
            log.size(self:bytes()))
    end
end

------------------------------------------------------------------------------
-- Ranges, from 0

--- How much is stored.
---@return integer
function File:bytes()
    return self.store and self.store:bytes() or 0
end

--- How many ranges the storage has.
---@return integer
function File:range_count()
    local facts = self.facts
    return (facts.size_bytes + facts.range_bytes - 1) // facts.range_bytes
end

---@param number integer
---@return integer bytes
function File:range_size(number)
    local facts = self.facts
    return math.min(facts.range_bytes, facts.size_bytes - number * facts.range_bytes)
end

-- The digest of a range of zeros. There are two sizes, that of the last one.
local function zeros_sha256(self, number)
    local bytes = self:range_size(number)
    self.zeros[bytes] = self.zeros[bytes] or image.sha256(("\0"):rep(bytes))
    return self.zeros[bytes]
end

--- The digest of a range that is stored, or of one of its size that is all zeros.
---@param number integer
---@return string
function File:expected(number)
    local stored = self.ranges[number + 1]
    return stored and stored.sha256 or zeros_sha256(self, number)
end

--- Appends the next range.
---@param number integer
---@param sha256 string
---@param path string|nil  the file that it arrived in; nil: it is all zeros
function File:add(number, sha256, path)
    assert(number == #self.ranges, "ranges come in their order")
    assert(path or sha256 == zeros_sha256(self, number), "only zeros need not arrive")
    local bytes = self:range_size(number)
    local stored_bytes = check(self, self.store:add({ file = path, bytes = bytes }))
    local range = { bytes = bytes, stored_bytes = stored_bytes, sha256 = sha256 }
    append_state(self, range)
    table.insert(self.ranges, range)
end

--- Drops the range and those behind it: the storage has changed.
---@param number integer
function File:drop_from(number)
    open_store(self, self.ranges, number)
    write_state(self)
end

--- Raises what this host said when it could not take a range.
---@param message string
function File:refused(message)
    local full = message:find("No space left", 1, true) or message:find("quota exceeded", 1, true)
        or message:find("File too large", 1, true)
    check(self, nil, message, "io", full and "ENOSPC" or nil)
end

--- Gives FILE its name.
---@return {path: string, sha256: string, bytes: integer, stored_bytes: integer, format: string}
function File:finish()
    local bytes = self:bytes()
    local sha256 = check(self, self.store:finish(self.path, { replace = self.replace }))
    self.store:close()
    self.store = nil
    check(self, sys.remove(self.state))
    return {
        path = self.path, format = self.format, sha256 = sha256, bytes = bytes,
        stored_bytes = sys.stat(self.path).size,
    }
end

--- Removes what was arriving.
function File:clear_incoming()
    check(self, sys.remove_tree(self.incoming))
end

--- Leaves what is stored for the next command.
function File:close()
    if self.store then
        log.info("%s is kept: %s of %s; the same command goes on from there", self.part,
            log.size(self:bytes()), log.size(self.facts.size_bytes))
        self.store:close()
        self.store = nil
    end
    if self.lock then
        self:clear_incoming()
        self.lock:close()
        self.lock = nil
    end
end

--- Looks whether FILE can be made; only FILE.part.d is made yet.
---@param path string
---@param replace boolean  FILE may exist, and what is left of an earlier dump goes
---@return jflash.dump.File to be closed
function M.open(path, replace)
    local format = format_of(path)
    check_place(path, replace)
    local self = setmetatable({
        path = path, part = path .. ".part", state = path .. ".part.jsonl",
        incoming = path .. ".part.d", format = format, replace = replace, ranges = {}, zeros = {},
    }, File)
    local folder = errors.check("host", sys.realpath(path:match("^(.*/)[^/]*$") or "."))
    self.lock = locks.take(("dump %s/%s"):format(folder, path:match("[^/]*$")), { what = path })
    if sys.stat(self.part) and not sys.stat(self.state) and not replace then
        config_error("exists", ("%s is there without %s: it cannot be gone on with"):format(
            self.part, self.state), "remove it, or begin anew with --force")
    end
    self:clear_incoming()
    check(self, sys.mkdir(self.incoming))
    return self
end

return M
