-- SPDX-License-Identifier: Apache-2.0
--
-- Where the image comes from: a file on this host, or standard input, which is
-- spooled to a file so that it can be proven, and served again when a write must
-- be repeated; or a URL (jflash.remote). A file is proven once, in the background,
-- and refused when it changed since.

local deliveries = require("jflash.delivery")
local errors = require("jflash.errors")
local image = require("jflash.image")
local log = require("jflash.log")
local sys = require("jflash.sys")
local urls = require("jflash.url")

local M = {}

local PROGRESS_S = 0.5
-- The look at an image's beginning ends here, delivered or decoded.
local HEAD_BYTES = 4 * 1024 * 1024

---@class jflash.Source
---@field proof_result table|nil
---@field probe_timeout_s number  for the look at the beginning
local Source = { probe_timeout_s = 60 }
Source.__index = Source
M.Source = Source

-- What kind of failure a primitive's code is: the bytes are bad (of an image,
-- "closed" says that it ends early), or they cannot be had.
local function class_of(code)
    local bad = { closed = true, protocol = true, checksum = true, unsupported = true, limit = true }
    return bad[code] and "image" or "source"
end

M.class_of = class_of

--- Raises that the digest is not the one that the image must have: it is another file
--- than was meant, and not a damaged one.
---@param message string
function M.refuse_digest(message)
    errors.raise({
        class = "source", code = "checksum", message = message,
        hint = "--os-image-checksum is of the file as it is delivered: of the .xz, not of what is in it",
    })
end

local function check(value, message, code, hint)
    return errors.check(class_of(code), value, message, code, hint)
end

--- Whether an image can be looked at without taking it away, or asking a server.
---@param path string
---@return boolean
function M.is_local(path)
    return path ~= "-" and not urls.scheme(path) and not path:find("^oci%-layout:")
end

local function spool(dut)
    local path = dut.run:file("stdin.image")
    log.info("reading the image from standard input")
    sys.remove(path) -- of a run in the same folder that was killed
    errors.check("host", sys.spool(0, path))
    dut.scope:defer("remove the spooled image", function()
        errors.check("host", sys.remove(path))
    end)
    return path
end

--- Opens the image, looks at its beginning, and begins to prove all of it.
---@param path string  a file, a URL, or "-" for standard input
---@param options {format: string|nil, os_image_checksum: string|nil}
---@param dut jflash.Dut
---@return jflash.Source
function M.open(path, options, dut)
    if urls.scheme(path) then
        return require("jflash.remote").open(path, options, dut)
    end
    local file = path == "-" and spool(dut) or path
    local img = check(image.open({
        file = file,
        format = options.format,
        delivered_sha256 = options.os_image_checksum,
    }))
    local self = setmetatable({ img = img, file = file, wanted_sha256 = options.os_image_checksum }, Source)
    self:begin(path == "-" and "from standard input" or path)
    return self
end

-- Raises unless a primitive of the image succeeded.
function Source:check(value, message, code, hint)
    if code == "checksum" and self.wanted_sha256 and message:find(self.wanted_sha256, 1, true) then
        M.refuse_digest(message)
    end
    return check(value, message, code, hint)
end

-- Looks at the beginning, and begins to prove all of it.
function Source:begin(name)
    local head = self:check(self.img:probe({ timeout_s = self.probe_timeout_s }))
    self:check(self.img:prove())
    local bytes = self.img:delivered_bytes()
    log.info("image %s: %s, %s", name, head.format, bytes and log.size(bytes) or "of unknown size")
    if bytes and math.max(bytes, head.decoded_head_bytes) < HEAD_BYTES then
        self:proof() -- takes no time, and what is wrong shows before the power is touched
    end
end

--- The format's name: "raw", "xz", …
---@return string
function Source:format()
    return self.img:format()
end

--- How large the image is as it is delivered.
---@return integer bytes
function Source:delivered_bytes()
    return self.img:delivered_bytes()
end

--- Whether all of the image has been read.
---@return boolean
function Source:is_proven()
    return self.img:progress().done
end

--- Waits until the whole image was read, decoded and hashed.
---@return table proof delivered_sha256, delivered_bytes, decoded_sha256, decoded_bytes, format
function Source:proof()
    while not self.proof_result do
        local result, message, code, hint = self.img:wait({ timeout_s = PROGRESS_S })
        if not result and code ~= "timeout" then
            self:check(nil, message, code, hint)
        end
        self.proof_result = result
        if not result then
            log.progress("prove", self.img:progress().delivered_bytes, self.img:delivered_bytes())
        end
    end
    return self.proof_result
end

--- Raises when the file is no longer the one that was proven.
function Source:check_unchanged()
    local ok, message, code = self.img:unchanged()
    if not ok then
        errors.raise({
            class = "image",
            code = code,
            retry = 0,
            message = message,
            hint = "something writes to the image while it is flashed: let it finish first",
        })
    end
end

--- Whether the image can be proven only while it is written.
---@return boolean
function Source:is_streamed() -- luacheck: no self
    return false
end

--- How large the decoded image is; nil while that cannot be told.
---@return integer|nil
function Source:decoded_bytes()
    if self.proof_result then
        return self.proof_result.decoded_bytes
    end
    return self:format() == "raw" and self.img:delivered_bytes() or nil
end

--- Lets the board fetch the image until the delivery is closed.
---@param dut jflash.Dut with a shell
---@param key string       names it on the server
---@param decoded boolean  this host decodes while it serves, for a board that cannot
---@return jflash.Delivery
function Source:deliver(dut, key, decoded)
    local stream = decoded and errors.check("host", self.img:stream({ decode = true })) or nil
    return deliveries.offer(dut, key, stream and { stream = stream } or { file = self.file }, stream)
end

function Source:close()
    self.img:close()
end

return M
