-- SPDX-License-Identifier: Apache-2.0
--
-- An image that the board fetches by itself (--dut-fetch). This host never sees it:
-- the board shows its beginning before the first write, and hashes what is delivered
-- and what is decoded while it writes. The interface is that of jflash.source.

local decoders = require("jflash.write.decoder")
local errors = require("jflash.errors")
local fetches = require("jflash.board_fetch")
local formats = require("jflash.format")
local log = require("jflash.log")
local targets = require("jflash.target")
local urls = require("jflash.url")
local workers = require("jflash.write.worker")

local M = {}

-- So much of the image is fetched to look at its beginning: enough for the first
-- block of every format.
local HEAD_BYTES = 1 << 20
local HEAD = workers.FOLDER .. "/head"
local LOOK_S = 60

---@class jflash.SourceDut: jflash.Source
local Source = {}
Source.__index = Source

---@param url string
---@param options {format: string|nil, os_image_checksum: string|nil, fetch: jflash.FetchSettings}
---@return jflash.SourceDut
function M.open(url, options)
    fetches.check(url)
    log.info("image %s: the board fetches it by itself", urls.shown(url))
    return setmetatable({
        url = url,
        name = urls.shown(url),
        settings = options.fetch,
        wanted_format = options.format,
        wanted_sha256 = options.os_image_checksum,
    }, Source)
end

--- The format's name; known when the board has looked.
---@return string
function Source:format()
    return self.format_name
end

function Source.is_streamed()
    return true
end

function Source:is_proven()
    return self.proof_result ~= nil
end

--- What the board saw on its way, behind a write; nil when nobody saw it.
function Source:proof()
    return self.proof_result
end

function Source.check_unchanged() end

--- Not known before it was written, and not believed until then.
function Source.decoded_bytes()
    return nil
end

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function from_base64(text)
    local bits, count, bytes = 0, 0, {}
    for digit in text:gmatch("[%w+/]") do
        bits = bits << 6 | (BASE64:find(digit, 1, true) - 1)
        count = count + 6
        if count >= 8 then
            count = count - 8
            table.insert(bytes, string.char(bits >> count & 0xff))
        end
    end
    return table.concat(bytes)
end

-- The first bytes of what a command on the board prints.
local function first_bytes(shell, command)
    return from_base64(shell:run(("%s 2>/dev/null | head -c %d | base64"):format(
        command, formats.HEAD_BYTES)))
end

local LOOK = "cd %s; { timeout %d %s; echo $? >look.status; } 2>look.err | head -c %d >%s; "
    .. "wc -c <%s; cat look.status; cat look.err; cd /"

-- Fetches the beginning into the board's RAM. Returns whether that was all of it.
local function fetch_head(self, dut, fetch)
    local output = dut.shell:frame(LOOK:format(workers.FOLDER, LOOK_S, fetch.command, HEAD_BYTES, HEAD, HEAD),
        { timeout_s = LOOK_S + 10 })
    local bytes, status, words = output:match("^%s*(%d+)%s+(%d+)%s*(.-)%s*$")
    bytes, status = tonumber(bytes), math.tointeger(tonumber(status))
    if not bytes or (status ~= 0 and bytes < HEAD_BYTES) then
        fetch:raise_failed(status, words or output, "look at the image")
    elseif bytes == 0 then
        errors.raise({ class = "image", code = "closed", retry = 0, message = self.name .. ": it is empty" })
    end
    return bytes < HEAD_BYTES
end

-- Without one of these the image could not be looked at, or not be hashed.
local TOOLS = { "timeout", "head", "wc", "base64", "mkfifo", "tee", "sha256sum" }

local function check_tools(dut)
    local missing = dut.shell:frame(("for t in %s; do command -v $t >/dev/null || echo $t; done")
        :format(table.concat(TOOLS, " "))):match("%S+")
    if missing then
        errors.raise({ class = "config", code = "unsupported",
            message = ("--dut-fetch: the board has no %s"):format(missing),
            hint = "leave out --dut-fetch: this host fetches and hashes then" })
    end
end

local function check_format(self, inner)
    local ok, message, code, hint = formats.check(self.name, self.format_name, inner)
    if not ok then
        errors.raise({ class = "image", code = code, message = message, hint = hint })
    end
end

-- What cannot be written, alone or inside, is refused by name.
local function check_content(self, dut)
    self.format_name = self.wanted_format or formats.detect(first_bytes(dut.shell, "cat " .. HEAD))
    check_format(self)
    self.decoder = decoders.find(dut.shell, self.format_name)
    if not self.decoder then
        errors.raise({ class = "config", code = "unsupported",
            message = ("%s: the board has no decoder for %s"):format(self.name, self.format_name),
            hint = "leave out --dut-fetch: this host fetches and decodes then" })
    end
    local inside = first_bytes(dut.shell, self.decoder .. " <" .. HEAD)
    if inside == "" then
        errors.raise({ class = "image", code = "protocol",
            message = ("%s: its beginning is no %s that the board can decode"):format(self.name, self.format_name) })
    end
    check_format(self, self.format_name ~= "raw" and formats.detect(inside) or nil)
end

-- Only of an image that is not compressed the size is known before.
local function check_size(self, fetch, piece)
    self.length = fetch:length()
    if self.length and self.format_name == "raw" then
        targets.check_fits(piece.target, self.length)
    end
end

--- Before the first write: proves that the board reaches the URL, and looks at the
--- image's beginning.
---@param dut jflash.Dut with a shell
---@param piece jflash.Piece with a target
function Source:inspect(dut, piece)
    check_tools(dut)
    local fetch <close> = fetches.open(dut, self.url, self.settings)
    fetch_head(self, dut, fetch)
    check_content(self, dut)
    check_size(self, fetch, piece)
    dut.shell:run(("rm -f %s"):format(HEAD))
    log.info("the board reaches %s: %s, %s", self.name, self.format_name,
        self.length and log.size(self.length) or "of unknown size")
end

------------------------------------------------------------------------------
-- The write

-- What the board fetches itself; jflash.delivery is what this host serves.
local Delivery = {}
Delivery.__index = Delivery

--- Lets the board fetch the image until the delivery is closed.
---@param dut jflash.Dut with a shell
---@return jflash.Delivery
function Source:deliver(dut)
    local fetch = fetches.open(dut, self.url, self.settings)
    return setmetatable({ source = self, fetch = fetch, command = fetch.command, is_unseen = true }, Delivery)
end

-- This host sees nothing of the transfer.
function Delivery.check() end

function Delivery.bytes()
    return nil
end

function Delivery:raise_failed(_, status, words)
    self.fetch:raise_failed(status, words, "write")
end

local function check_same(self, seen)
    local before = self.proof_result
    if before and before.delivered_sha256 ~= seen.delivered_sha256 then
        errors.raise({ class = "source", code = "checksum", retry = 0,
            message = self.name .. ": the server sent another content than the first time" })
    elseif self.wanted_sha256 and self.wanted_sha256 ~= seen.delivered_sha256 then
        errors.raise({ class = "source", code = "checksum", retry = 0,
            message = ("%s: it has sha256:%s, wanted is sha256:%s"):format(
                self.name, seen.delivered_sha256, self.wanted_sha256),
            hint = "the storage holds what was fetched, which is not what was wanted: write it again" })
    end
end

--- Takes what the board saw on its way.
---@param seen {delivered_sha256: string, decoded_sha256: string, decoded_bytes: integer}
function Delivery:settle(seen)
    local source = self.source
    check_same(source, seen)
    seen.format = source.format_name
    source.proof_result = seen
end

function Delivery:__close(failure)
    getmetatable(self.fetch).__close(self.fetch, failure)
end

------------------------------------------------------------------------------
-- A program on the board that fetches URLs by itself

-- What is lent; nobody sees the bytes.
local Loan = {}
Loan.__index = Loan

--- Lets a program on the board fetch the URL, until the loan is closed.
---@param dut jflash.Dut with a shell
---@return {url: string, cacert: string|nil, insecure: boolean, bytes: fun(), check: fun()}
function Source:lend(dut)
    return setmetatable({ url = self.url, insecure = self.settings.insecure, dut = dut,
        cacert = fetches.put_cacert(dut, self.settings) }, Loan)
end

function Loan.bytes()
    return nil
end

function Loan.check() end

function Loan:__close(failure)
    if self.cacert and not workers.is_gone(failure) then
        self.dut.shell:frame("rm -f " .. self.cacert, { timeout_s = 5, tries = 2 })
    end
end

--- Whether what must be on the storage is known without anybody having seen it on
--- its way: of an image that is not compressed, by the digest that it must have.
---@return boolean
function Source:is_known()
    return self.format_name == "raw" and self.wanted_sha256 ~= nil and self.length ~= nil
end

--- Takes for proof what is known without that.
function Source:believe()
    if self:is_known() then
        self.proof_result = { format = "raw", decoded_bytes = self.length,
            decoded_sha256 = self.wanted_sha256, delivered_sha256 = self.wanted_sha256 }
    end
end

function Source.close() end

return M
