-- SPDX-License-Identifier: Apache-2.0
--
-- What is shown and sent to servers when images are fetched: whom to trust, headers,
-- a token. Everything is checked before a run begins, and every secret is known to
-- the log before the first line that could show it; no message repeats a value.

local environment = require("jflash.environment")
local errors = require("jflash.errors")
local job = require("jflash.job")
local sys = require("jflash.sys")

local M = {}

local BEARER_VARIABLE = "JFLASH_BEARER"
local BEARER_LIMIT = 4096

-- What jflash itself decides: a range or an encoding of the user's would make other
-- bytes of an image.
local OWN = {
    ["accept-encoding"] = true, ["connection"] = true, ["content-length"] = true,
    ["if-match"] = true, ["if-modified-since"] = true, ["if-none-match"] = true,
    ["if-range"] = true, ["if-unmodified-since"] = true, ["range"] = true,
    ["transfer-encoding"] = true,
}

---How images are fetched. `dut.options.fetch` has it, whoever fetches: this host,
---or the board itself.
---@class jflash.FetchSettings
---@field headers string[]     "Name: value" each; names are tokens (RFC 9110), values have no line ends
---@field bearer string|nil    a token; nil when a header Authorization was given
---@field cacert string|nil    a PEM file with the authorities to trust
---@field insecure boolean     believe any certificate

local function refuse(message, hint)
    errors.raise({ class = "config", code = "usage", message = message, hint = hint })
end

-- A scheme's name ("Bearer") before a secret is none itself.
local function keep_secret(value)
    job.secret(value)
    for word in value:gmatch("%S+") do
        if #word >= 8 then
            job.secret(word)
        end
    end
end

local function read_lines(path, what)
    local text, message = sys.read_file(path, { limit_bytes = 1 << 20 })
    if not text then
        refuse(("%s: %s"):format(what, message))
    end
    local lines = {}
    for line in text:gmatch("[^\n]+") do
        table.insert(lines, (line:gsub("\r$", "")))
    end
    return lines
end

-- The header lines with where each comes from, for messages.
local function header_lines(given)
    local lines = {}
    for index, text in ipairs(given) do
        local path = text:match("^@(.+)$")
        if path then
            for number, line in ipairs(read_lines(path, "--header @" .. path)) do
                table.insert(lines, { text = line, place = ("--header: line %d of %s"):format(number, path) })
            end
        else
            table.insert(lines, { text = text, place = ("--header number %d"):format(index) })
        end
    end
    return lines
end

local function parse_header(line)
    local name, value = line.text:match("^([!#$%%&'*+.^_`|~%w-]+):[ \t]*(.-)[ \t]*$")
    keep_secret(value or line.text)
    if not name then
        refuse(line.place .. " is not 'Name: value'", "a name has letters, digits and hyphens, "
            .. "and the colon follows it at once; @FILE reads them from a file")
    elseif value:find("[%z\1-\8\10-\31\127]") then
        refuse(("%s: the value of %s has control characters or line ends"):format(line.place, name))
    elseif value == "" then
        refuse(("%s: %s has no value"):format(line.place, name))
    elseif OWN[name:lower()] then
        refuse(("%s: %s is jflash's own to send"):format(line.place, name))
    end
    return name, value
end

local function settle_headers(given)
    local headers, seen = {}, {}
    for index, line in ipairs(header_lines(given)) do
        local name, value = parse_header(line)
        if seen[name:lower()] then
            refuse(("%s: %s was given before"):format(line.place, name))
        end
        seen[name:lower()] = true
        headers[index] = name .. ": " .. value
    end
    return headers, seen.authorization
end

local function check_bearer(token, place)
    if token == "" then
        refuse(place .. ": the token is empty")
    elseif #token > BEARER_LIMIT then
        refuse(("%s: the token has more than %d characters"):format(place, BEARER_LIMIT))
    elseif token:find("[^\33-\126]") or token:find("[\"'`\\]") then
        refuse(place .. ": a token has printable ASCII characters, without spaces, quotes and backslashes")
    end
end

-- The token and where it comes from.
local function find_bearer(values)
    if values.bearer and values.bearer_file then
        refuse("--bearer and --bearer-file exclude each other")
    elseif values.bearer then
        return values.bearer, "--bearer"
    elseif values.bearer_file then
        local lines = read_lines(values.bearer_file, "--bearer-file")
        if #lines > 1 then
            refuse(("--bearer-file: %s has more than one line"):format(values.bearer_file))
        end
        return lines[1] or "", "--bearer-file " .. values.bearer_file
    end
    return environment.get(BEARER_VARIABLE), BEARER_VARIABLE
end

local function settle_bearer(values)
    local token, place = find_bearer(values)
    if token then
        job.secret(token)
        check_bearer(token, place)
    end
    return token
end

local function check_cacert(path)
    local text, message = sys.read_file(path, { limit_bytes = 16 << 20 })
    if not text then
        refuse("cacert: " .. message)
    elseif not text:find("-----BEGIN [%u ]*CERTIFICATE-----") then
        refuse(("cacert: %s holds no certificate in PEM form"):format(path),
            "convert it: openssl x509 -inform der -in FILE -out FILE.pem")
    end
end

--- What the command line says about credentials, checked. Raises class config.
---@param values table  header, bearer, bearer_file, cacert, insecure_tls: as options.credentials has them
---@return jflash.FetchSettings settings
---@return string[] warnings
function M.settle(values)
    local headers, has_authorization = settle_headers(values.header or {})
    local settings = {
        headers = headers,
        bearer = settle_bearer(values),
        cacert = values.cacert,
        insecure = values.insecure_tls or false,
    }
    local warnings = {}
    if settings.bearer and has_authorization then
        settings.bearer = nil
        table.insert(warnings, "the bearer token is not used: a header Authorization was given")
    end
    if settings.insecure then
        table.insert(warnings, "--insecure-tls: any server is believed to be the right one")
    end
    if settings.cacert then
        check_cacert(settings.cacert)
    end
    return settings, warnings
end

--- Takes the board's authorities where the command line names none.
---@param settings jflash.FetchSettings
---@param board table
function M.add_board(settings, board)
    if not settings.cacert and board.cacert then
        check_cacert(board.cacert)
        settings.cacert = board.cacert
    end
end

return M
