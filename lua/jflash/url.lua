-- SPDX-License-Identifier: Apache-2.0
--
-- URLs of images: what is one, and how it may be shown. Its user, password and query
-- may be secrets.

local job = require("jflash.job")

local M = {}

--- The scheme of what looks like a URL, in lower case; nil for a path.
---@param text string
---@return string|nil
function M.scheme(text)
    local scheme = text:match("^(%a[%w+.-]*)://")
    return scheme and scheme:lower()
end

--- Whether jflash fetches it by HTTP or HTTPS.
---@param text string
---@return boolean
function M.is_http(text)
    local scheme = M.scheme(text)
    return scheme == "http" or scheme == "https"
end

--- The server that a URL is asked from, as written: scheme, host and port; nil for a
--- path.
---@param text string
---@return string|nil
function M.origin(text)
    local scheme, authority = text:match("^(%a[%w+.-]*://)([^/?#]*)")
    return scheme and (scheme .. authority:gsub("^.*@", "")):lower()
end

--- The URL without user, password, query and fragment; a path as it is.
---@param text string
---@return string
function M.shown(text)
    if not M.scheme(text) then
        return text
    end
    local scheme, rest = text:gsub("[?#].*$", ""):match("^([^/]+//)(.*)$")
    local authority, path = rest:match("^([^/]*)(.*)$")
    return scheme .. authority:gsub("^.*@", "") .. path
end

-- As it is sent: with its escapes decoded.
local function decoded(text)
    return (text:gsub("%%(%x%x)", function(digits)
        return string.char(tonumber(digits, 16))
    end))
end

--- Makes what may be secret in a URL known to the log.
---@param text string
function M.keep_secrets(text)
    if not M.scheme(text) then
        return
    end
    local query = text:match("%?([^#]*)")
    if query then
        job.secret(query)
        for value in query:gmatch("=([^&;]+)") do
            if #value >= 8 then -- shorter ones would blacken ordinary words
                job.secret(value)
            end
        end
    end
    local login = text:gsub("[?#].*$", ""):match("^[^/]+//([^/]*)@")
    if login then
        local password = login:match(":(.*)$")
        for _, secret in ipairs({ login, password }) do
            job.secret(secret)
            job.secret(decoded(secret))
        end
    end
end

return M
