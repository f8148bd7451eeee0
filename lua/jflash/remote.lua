-- SPDX-License-Identifier: Apache-2.0
--
-- An image from a URL, or from a registry, fetched once by this host, whatever the
-- number of attempts to write it. It is served to the board while it arrives, and decoded and hashed here
-- at the same time, so that its proof is ready when the last byte was sent. With a
-- digest that it must have, or when it is in the cache already, it is proven first,
-- as a file is.

local deliveries = require("jflash.delivery")
local errors = require("jflash.errors")
local fetch = require("jflash.fetch")
local image = require("jflash.image")
local log = require("jflash.log")
local source = require("jflash.source")
local sys = require("jflash.sys")
local urls = require("jflash.url")

local M = {}

-- So long this side may lag behind the board with finding damage in the data.
local LAG_S = 5

---@class jflash.Remote: jflash.Source
---@field fetched jflash.Fetched
---@field obtain fun(): jflash.Fetched
---@field is_awaited boolean  it is known what must arrive: all of it is proven before the write
-- A slow server is none that stands still, which the download finds out.
local Remote = setmetatable({ probe_timeout_s = 1e9 }, { __index = source.Source })
Remote.__index = Remote
M.Remote = Remote

local function refuse_scheme(url)
    if not urls.is_http(url) then
        errors.raise({
            class = "config",
            code = "unsupported",
            message = ("%s: images are read from files, standard input, http://, https:// and oci://, "
                .. "not by %s"):format(
                urls.shown(url), urls.scheme(url)),
            hint = "fetch it by other means, or pipe it: … | jflash flash -",
        })
    end
end

-- A digest that is known to be another needs no second look.
local function refuse_digest(self)
    local wanted, known = self.options.os_image_checksum, self.fetched.sha256
    if wanted and known and wanted ~= known then
        source.refuse_digest(("%s: has the SHA-256 %s, expected was %s"):format(self.fetched.name, known, wanted))
    end
end

local function open_image(self)
    local fetched, options = self.fetched, self.options
    local complete = fetched:is_complete()
    refuse_digest(self)
    self.img = self:check(image.open({
        file = complete and fetched.path or nil,
        download = fetched.download,
        name = fetched.name,
        format = options.format,
        delivered_sha256 = fetched.sha256,
    }))
end

-- Fetches, or finds in the cache, and begins to prove.
local function start(self)
    self.proof_result = nil
    self.fetched = self.obtain()
    open_image(self)
    self:begin(self.fetched.name)
end

local function restart(self)
    self:close()
    start(self)
end

-- A step that failed because the content changed at the server, and is repeated,
-- gets the new one.
local function refresh(self)
    if self.fetched.is_stale then
        restart(self)
    end
end

--- Makes an image of what `obtain` fetches.
---@generic T: jflash.Remote
---@param self T  with `obtain` and `is_awaited`; raised from, it is closed
---@param options {format: string|nil, os_image_checksum: string|nil}
---@return T
function M.begin(self, options)
    self.options = options
    local ok, failure = xpcall(start, errors.wrap, self)
    if not ok then
        self:close()
        error(failure, 0)
    end
    return self
end

--- Opens a URL.
---@param url string
---@param options {format: string|nil, os_image_checksum: string|nil}
---@param dut jflash.Dut
---@return jflash.Remote
function M.open(url, options, dut)
    refuse_scheme(url)
    local fetch_options = {
        settings = dut.options.fetch,
        board = dut.board,
        retries = dut.options.retries,
        sha256 = options.os_image_checksum,
        temporary = dut.run:file("fetched-" .. sys.random_hex(4)),
    }
    return M.begin(setmetatable({
        is_awaited = options.os_image_checksum ~= nil,
        obtain = function()
            return fetch.open(url, fetch_options)
        end,
    }, Remote), options)
end

-- Of a primitive that failed the download is the first cause to look at.
function Remote:check(value, message, code, hint)
    if value then
        return value
    end
    self.fetched:check()
    if not message:find(self.fetched.name, 1, true) then
        message = ("%s: %s"):format(self.fetched.name, message)
    end
    return errors.check(source.class_of(code), nil, message, code, hint)
end

function Remote:is_proven()
    self.fetched:is_complete()
    return self.img:progress().done
end

-- Whether what was taken from the cache is not what it was when it was put there.
local function is_damaged_copy(self, failure)
    local fetched = self.fetched
    return fetched.from_cache and failure.class == "image"
        and image.sha256_file(fetched.path) ~= fetched.sha256
end

-- What must have a certain digest is awaited: the digest tells a wrong file from a
-- damaged image.
local function prove(self)
    refresh(self)
    if self.is_awaited then
        self.fetched:await()
        refuse_digest(self)
    end
    return source.Source.proof(self)
end

function Remote:proof()
    local ok, proof = xpcall(prove, errors.wrap, self)
    if not ok and is_damaged_copy(self, proof) then
        log.warn("%s: the copy in the cache is damaged, and fetched again", self.fetched.name)
        self.fetched:drop()
        restart(self)
        proof = prove(self)
    elseif not ok then
        error(proof, 0)
    end
    self.fetched:is_complete()
    return proof
end

--- Whether it still arrives, and nothing says beforehand what must arrive.
---@return boolean
function Remote:is_streamed()
    refresh(self)
    return not self.is_awaited and not self.fetched:is_complete()
end

-- Raises what went wrong on this side. `settle`: something went wrong on the board.
local function check_flow(self, settle)
    self.fetched:is_complete()
    if settle or self.img:progress().failed then
        local proof, message, code, hint = self.img:wait({ timeout_s = LAG_S })
        if code ~= "timeout" then
            self:check(proof, message, code, hint)
        end
    end
end

function Remote:deliver(dut, key, decoded)
    refresh(self)
    local content, stream
    if not decoded and self.fetched:is_complete() then
        content = { file = self.fetched.path }
    else
        stream = errors.check("host", self.img:stream({ decode = decoded }))
        content = { stream = stream, length = not decoded and stream:size_bytes() or nil }
    end
    return deliveries.offer(dut, key, content, stream, function(settle)
        check_flow(self, settle)
    end)
end

function Remote:close()
    if self.img then
        self.img:close()
        self.img = nil
    end
    if self.fetched then
        self.fetched:close()
        self.fetched = nil
    end
end

return M
