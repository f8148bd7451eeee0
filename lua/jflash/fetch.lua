-- SPDX-License-Identifier: Apache-2.0
--
-- Fetches URLs for this host's use: from the cache what the server says to be still
-- the same, the rest by a download that can be read while it grows. What was fetched
-- stays in the cache, also what a run that died had fetched.
--
--     local fetched <close> = fetch.open(url, { settings = dut.options.fetch, board = dut.board, … })
--     fetched:await()
--     print(fetched.path)

local caches = require("jflash.cache")
local download = require("jflash.download")
local errors = require("jflash.errors")
local log = require("jflash.log")
local runtime = require("jflash.runtime")
local sys = require("jflash.sys")
local urls = require("jflash.url")

local M = {}

local PROGRESS_S = 0.5

-- What this run fetches at the same time.
local open_ones = setmetatable({}, { __mode = "k" })

---@class jflash.FetchOptions
---@field settings jflash.FetchSettings
---@field board table           for its cache
---@field retries integer
---@field sha256 string|nil     the digest that is expected: with it in the cache, no server is asked
---@field temporary string      where to, when there is no cache; removed at the end

---@class jflash.Fetched
---@field name string       the URL as it may be shown
---@field path string       the file that holds it
---@field sha256 string|nil known when it is complete
---@field from_cache boolean
---@field is_stale boolean|nil  another content is at the server now: it was told so, and must be opened anew
---@field download table|nil  while it is not complete; see jflash.download
local Fetched = {}
Fetched.__index = Fetched
M.Fetched = Fetched

------------------------------------------------------------------------------
-- Failures

local HINTS = {
    [401] = "credentials: --bearer-file, --header @FILE, or https://USER:PASSWORD@…",
    [403] = "do these credentials allow it? --bearer-file, --header @FILE",
    [407] = "credentials for the proxy belong into the variable https_proxy",
}

local function disk_full(self, message)
    local folder = self.path:match("^(.*)/")
    local progress = self.download:progress()
    local free = sys.free_bytes(folder) or 0
    errors.raise({
        class = "host", code = "io", errno = "ENOSPC",
        message = progress.total and ("%s: no space for %s: %d bytes are needed, %d are free"):format(
            folder, self.name, progress.total - progress.bytes, free) or message,
        hint = "make room, or set cache_dir to a larger place",
    })
end

local function hint_for(failure)
    if failure.message:find("ertificate") then
        return "trust its authority with --cacert FILE (or the board's cacert); -k believes anyone"
    end
    return HINTS[failure.status]
end

--- Raises why the download failed.
---@param failure table  see download:failure
---@param errno string|nil
function Fetched:raise(failure, errno)
    self.is_stale = failure.changed
    errors.raise({
        class = errno and "host" or "source",
        code = failure.changed and "changed" or failure.code,
        errno = errno,
        message = failure.message,
        hint = hint_for(failure),
        -- Fetched anew it is another file, and whole.
        retry = failure.changed and 1 or 0,
        at = failure.changed and "shell" or nil,
    })
end

local function check(self, value, message, code, errno)
    if value then
        return value
    end
    if code == "timeout" and not self.download:progress().failed or code == "cancelled" then
        return errors.check("source", nil, message, code)
    end
    local failure = self.download:failure()
    if errno == "ENOSPC" then
        disk_full(self, failure.message)
    end
    return self:raise(failure, errno)
end

--- Raises why the download failed, if it did.
function Fetched:check()
    if self.download and self.download:progress().failed then
        check(self, self.download:wait())
    end
end

------------------------------------------------------------------------------
-- Where to

-- Stands for a claim where there is no cache: nothing is kept.
local Temporary = {}
Temporary.__index = Temporary

local function temporary(path)
    return setmetatable({ path = path, offset = 0, state = {} }, Temporary)
end

Temporary.note = function() end
Temporary.unnote = Temporary.note

function Temporary:discard()
    if sys.stat(self.path) then
        errors.check("host", sys.remove(self.path))
    end
end

function Temporary:store(result)
    return { path = self.path, sha256 = result.sha256, close = function() end }
end

function Temporary:close()
    self:discard()
end

------------------------------------------------------------------------------
-- Opening

-- A strong validator promises the same bytes; a date is the next best.
local function validator(state)
    local etag = state.etag
    return etag and etag:sub(1, 1) == '"' and etag or state.last_modified
end

local function start(self, known)
    local claim, settings = self.claim, self.options.settings
    local if_range = claim.offset > 0 and validator(claim.state) or nil
    -- The server may begin anew; a run that is killed then must leave no wrong note.
    claim:unnote()
    self.download = errors.check("host", download.start({
        url = self.url,
        name = self.name,
        file = claim.path,
        headers = settings.headers,
        bearer = settings.bearer,
        cacert = settings.cacert,
        insecure = settings.insecure,
        user_agent = "jflash/" .. runtime.version,
        offset = if_range and claim.offset or 0,
        if_range = if_range,
        if_none_match = known and known.etag,
        if_modified_since = known and not known.etag and known.last_modified or nil,
        retries = self.options.retries,
    }))
end

--- Takes a content of the cache for what was to be fetched.
---@param blob jflash.Blob  held; closed with this
function Fetched:use_blob(blob)
    self.blob, self.path, self.sha256 = blob, blob.path, blob.sha256
end

local function end_claim(self)
    if self.claim then
        self.claim:close()
        self.claim = nil
    end
end

--- Whether what has arrived is of no use for going on.
---@param failure table  see download:failure
---@return boolean
function Fetched:is_spoiled(failure) -- luacheck: no self
    return failure.changed
end

-- Keeps what has come whole, and lets others have the URL when the download has ended.
local function settle(self)
    if not self.download or not self.claim or not self.download:progress().done then
        return
    end
    local result = self.download:wait()
    if result then
        self:use_blob(self.claim:store(result))
        self.download:close()
        self.download = nil
        log.info("%s: all here, sha256:%s", self.name, self.sha256)
    elseif self:is_spoiled(self.download:failure()) then
        self.claim:discard()
    end
    if self.cache then
        end_claim(self)
    end
end

-- Two runs may want two URLs, each what the other is fetching: while one waits for
-- the second, it lets go of the first as soon as that has ended.
---@param self jflash.Fetched  that waits
local function settle_others(self)
    for other in pairs(open_ones) do
        if other ~= self then
            settle(other)
        end
    end
end

M.settle_others = settle_others

local function claim_url(self)
    if not self.cache then
        return temporary(self.options.temporary)
    end
    return self.cache:claim(self.url, self.name, function()
        settle_others(self)
    end)
end

--- Makes room for what is to come, or raises that there is none.
---@param total integer|nil
function Fetched:check_space(total)
    local progress = self.download:progress()
    local needed = (total or 0) - progress.bytes
    if self.cache and needed > 0 then
        self.cache:trim(needed)
    end
    local free = sys.free_bytes(self.path:match("^(.*)/"))
    if free and needed > free then
        disk_full(self)
    end
end

local function begin(self)
    local claim = claim_url(self)
    self.claim, self.path = claim, claim.path
    local blob, known
    if self.cache then
        blob, known = self.cache:recall(self.url)
    end
    start(self, known)
    local answer, message, code, errno = self.download:answer()
    if not answer and claim.offset > 0 then
        claim:note(claim.state) -- what is there has not been touched
    end
    check(self, answer, message, code, errno)
    if answer.status == 304 then
        log.info("%s: in the cache, and not changed at the server", self.name)
        self.download:close()
        self.download = nil
        claim:discard()
        end_claim(self)
        self.from_cache = true
        return self:use_blob(blob)
    end
    if blob then
        blob:close()
    end
    claim:note(answer)
    self:check_space(answer.total)
    log.info("%s: %s%s%s", self.name, answer.total and log.size(answer.total) or "of unknown size",
        answer.status == 206 and ", of which " .. log.size(claim.offset) .. " were here already" or "",
        answer.redirected_to and ", from " .. answer.redirected_to or "")
end

--- Begins to fetch, as `obtain` does; what that raises closes it.
---@generic T: jflash.Fetched
---@param self T
---@param obtain fun(self: T)
---@return T
function M.begin(self, obtain)
    local ok, failure = xpcall(obtain, errors.wrap, self)
    if not ok then
        self:close()
        error(failure, 0)
    end
    open_ones[self] = true
    return self
end

local function obtain_url(self)
    local blob = self.cache and self.options.sha256 and self.cache:find(self.options.sha256)
    if not blob then
        return begin(self)
    end
    log.info("%s: in the cache by its digest", self.name)
    self.from_cache = true
    return self:use_blob(blob)
end

--- Begins to fetch a URL, or finds it in the cache. Raises class source, or host.
---@param url string
---@param options jflash.FetchOptions
---@return jflash.Fetched to be closed
function M.open(url, options)
    local self = setmetatable({ url = url, name = urls.shown(url), options = options, from_cache = false,
        cache = caches.open(options.board) }, Fetched)
    return M.begin(self, obtain_url)
end

--- Whether all of it is here; keeps it in the cache when it has just come. Raises when
--- the download failed.
---@return boolean
function Fetched:is_complete()
    settle(self)
    self:check()
    return self.download == nil
end

--- Waits until all of it is here.
---@return string path
function Fetched:await()
    while not self:is_complete() do
        local _, message, code = self.download:wait({ timeout_s = PROGRESS_S })
        if code == "cancelled" then
            errors.check("source", nil, message, code)
        end
        local progress = self.download:progress()
        log.progress("fetch", progress.bytes, progress.total)
    end
    return self.path
end

--- Forgets a content from the cache that is not what its digest says.
function Fetched:drop()
    self.cache:drop(self.blob)
    self.blob = nil
end

--- Stops a download; what has arrived stays in the cache.
function Fetched:close()
    open_ones[self] = nil
    if self.download then
        self.download:close()
        self.download = nil
    end
    end_claim(self)
    if self.blob then
        self.blob:close()
        self.blob = nil
    end
end
Fetched.__close = Fetched.close

return M
