-- SPDX-License-Identifier: Apache-2.0
--
-- Where the image comes from: a file on this host, or standard input, which is
-- spooled to a file so that it can be proven, and served again when a write must
-- be repeated. A file is proven once, in the background, and refused when it
-- changed since.

local deliveries = require("jflash.delivery")
local errors = require("jflash.errors")
local image = require("jflash.image")
local log = require("jflash.log")
local sys = require("jflash.sys")

local M = {}

local PROGRESS_S = 0.5
-- The look at an image's beginning ends here, delivered or decoded.
local HEAD_BYTES = 4 * 1024 * 1024

---@class jflash.Source
---@field proof_result table|nil
---@field streamed boolean|nil  it comes from a server while it is written
local Source = {}
Source.__index = Source

-- What kind of failure a primitive's code is: the bytes are bad (of an image,
-- "closed" says that it ends early), or they cannot be had.
local function class_of(code)
    local bad = { closed = true, protocol = true, checksum = true, unsupported = true, limit = true }
    return bad[code] and "image" or "source"
end

local function check(value, message, code, hint)
    return errors.check(class_of(code), value, message, code, hint)
end

local function refuse_url(path)
    local scheme = path:match("^(%a[%w+.-]*)://")
    if scheme then
        errors.raise({
            class = "config",
            code = "unsupported",
            message = ("%s: images are read from files and standard input, not by %s"):format(
                path, scheme),
            hint = "fetch it first, or pipe it: curl -fsSL URL | jflash flash -",
        })
    end
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
---@param path string  a file, or "-" for standard input
---@param options {format: string|nil, os_image_checksum: string|nil}
---@param dut jflash.Dut
---@return jflash.Source
function M.open(path, options, dut)
    refuse_url(path)
    local file = path == "-" and spool(dut) or path
    local img = check(image.open({
        file = file,
        format = options.format,
        delivered_sha256 = options.os_image_checksum,
    }))
    local self = setmetatable({ img = img, file = file }, Source)
    local head = check(img:probe())
    check(img:prove())
    log.info("image %s: %s, %s", path == "-" and "from standard input" or path, head.format,
        log.size(img:delivered_bytes()))
    if math.max(img:delivered_bytes(), head.decoded_head_bytes) < HEAD_BYTES then
        self:proof() -- takes no time, and what is wrong shows before the power is touched
    end
    return self
end

--- The format's name: "raw", "xz", …
---@return string
function Source:format()
    return self.img:format()
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
            check(nil, message, code, hint)
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
function Source:is_streamed()
    return self.streamed or false
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
