-- SPDX-License-Identifier: Apache-2.0
--
-- The URLs of pySerial's serial_for_url() as console.device.

local schema = require("jflash.schema")

local M = {}

local INSTEAD = "use a tty, tcp:HOST:PORT or another of its kinds: --set console.device=/dev/NAME"

local function refusal(url, why)
    return nil, ("%s: %s"):format(schema.quoted(url), why)
end

-- "A" and { B = true, C = "1" } of "A?B&C=1".
local function split(text, mark)
    local head, tail = text, ""
    local at = text:find(mark, 1, true)
    if at then
        head, tail = text:sub(1, at - 1), text:sub(at + 1)
    end
    local options = {}
    for option in tail:gmatch("[^&]+") do
        local name, value = option:match("^([^=]*)=(.*)$")
        options[name or option] = value or true
    end
    return head, options
end

-- The first option that is not in `known`.
local function unknown(options, known)
    for _, name in ipairs(schema.names(options)) do
        if not known[name] then
            return name
        end
    end
    return nil
end

------------------------------------------------------------------------------
-- hwgrep://REGEXP&n=N&skip_busy: the expression is looked for, in any case, in a port's
-- path, its product's name, and "USB VID:PID=0403:6001 SER=A100 LOCATION=1-2.3:1.0".

local HWGREP_INSTEAD = "name the port: --set console.device=usb:SERIAL, usb-id:VENDOR:PRODUCT, usb-path:PATH or a "
    .. "pattern like '/dev/serial/by-id/*NAME*'"

-- The plain text that an expression stands for; nil when it is more than that.
local function plain(expression)
    local text = expression:gsub("\\(%p)", function(mark)
        return ("\1%02x"):format(mark:byte())
    end)
    if text:find("[%^%$%*%+%?%(%)%[%]{}|\\]") then
        return nil
    end
    return (text:gsub("\1(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- As a pattern of the names in /dev/serial/by-id, in which _ stands for what is no letter,
-- digit, or one of # + - . : = @ _.
local function pattern(expression)
    local parts = {}
    for part in (expression:gsub("%.%*", "\0") .. "\0"):gmatch("(%Z*)%z") do
        local text = plain(part)
        if not text then
            return nil
        end
        table.insert(parts, (text:gsub("[^%w#+%-.:=@_]", "_")))
    end
    local name = table.concat(parts, "*")
    return name:find("%w") and ("/dev/serial/by-id/*%s*"):format(name) or nil
end

local function grep(expression)
    local text = plain(expression)
    local serial = text and text:match("SER=(%S+)$")
    local location = text and text:match("LOCATION=(%d+%-[%d.]+:?[%d.]*)$")
    local id = text and text:match("^%x%x%x%x:%x%x%x%x$") or text and text:match("VID:PID=(%x%x%x%x:%x%x%x%x)$")
    if serial then
        return "usb:" .. serial
    elseif location then
        return "usb-path:" .. location
    elseif id then
        return "usb-id:" .. id:lower()
    elseif text and text:find("^/dev/") then
        return text
    end
    return not expression:find("[=/]") and pattern(expression) or nil
end

local function hwgrep(rest, url)
    local expression, options = split(rest, "&")
    local other = unknown(options, { n = true, skip_busy = true })
    if other then
        return refusal(url, ("pySerial has no option %s here"):format(other))
    elseif options.n and options.n ~= "1" then
        return refusal(url, "jflash takes the one port that fits, not the second or a later one; " .. HWGREP_INSTEAD)
    end
    local found = grep(expression)
    if found then
        return found
    end
    return refusal(url, "jflash looks for ports by other means; " .. HWGREP_INSTEAD)
end

------------------------------------------------------------------------------

local function with_address(to, known)
    return function(rest, url)
        local address, options = split(rest, "?")
        local other = unknown(options, known)
        if other then
            return refusal(url, ("pySerial has no option %s here"):format(other))
        elseif not address:match("^[^/]+:%d+$") then
            return refusal(url, "HOST:PORT is missing")
        end
        return to .. address .. (options.ign_set_control and "?ign_set_control" or "")
    end
end

-- One that stands before another port.
local function wrapper(rest)
    return M.device((split(rest, "?")))
end

local function loop(_, url)
    return refusal(url, "it answers by itself, and no board is behind it; " .. INSTEAD)
end

local handlers = {
    alt = wrapper,
    hwgrep = hwgrep,
    loop = loop,
    rfc2217 = with_address("rfc2217:", { ign_set_control = true, poll_modem = true, timeout = true, logging = true }),
    socket = with_address("tcp:", { logging = true }),
    spy = wrapper,
}

--- The board's console.device; nil, and what to do instead, when jflash has no such thing.
---@param url string
---@return string|nil device
---@return string|nil refusal
function M.device(url)
    local scheme, rest = url:match("^(%w+)://(.*)$")
    local handler = scheme and handlers[scheme:lower()]
    if handler then
        return handler(rest, url)
    elseif url:match("^/") then
        return url
    end
    return nil, ("jflash cannot open %s; %s"):format(schema.quoted(url), INSTEAD)
end

return M
