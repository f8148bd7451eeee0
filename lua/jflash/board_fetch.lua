-- SPDX-License-Identifier: Apache-2.0
--
-- A URL that the board fetches by itself. What is fetched, what is sent and who is
-- trusted stand in files in the flasher's RAM, which it fetches from this host by a
-- URL that is good once; they are removed afterwards. So a URL is taken as it is
-- written, and no secret is typed, shown by the console or seen in a process list.
--
-- With curl on the board. A busybox wget knows http only, and takes what it sends
-- from its arguments: it is used where nothing is secret.

local errors = require("jflash.errors")
local scopes = require("jflash.scope")
local shells = require("jflash.shell")
local sys = require("jflash.sys")
local urls = require("jflash.url")
local workers = require("jflash.write.worker")

local M = {}

-- Files on the board: what fetches, curl's configuration, authorities.
local SCRIPT = workers.FOLDER .. "/fetch"
local CONFIG = workers.FOLDER .. "/fetch.conf"
local CACERT = workers.FOLDER .. "/fetch.ca"
local HEADERS = workers.FOLDER .. "/fetch.headers"
-- The number of the process that fetches, so that it can be stopped by name.
local PID = workers.FOLDER .. "/fetch.pid"

local CONNECT_S = 15
local MOST_REDIRECTS = 20

---@class jflash.BoardFetch
---@field command string  prints the bytes on the board
local Fetch = {}
Fetch.__index = Fetch

local function refuse(message)
    errors.raise({ class = "config", code = "unsupported", message = message,
        hint = "leave out --dut-fetch: this host fetches then" })
end

--- Refuses a URL that cannot be given to the board, before the power is touched.
---@param url string
function M.check(url)
    if url:find("[%c ]") then
        errors.raise({ class = "config", code = "usage",
            message = urls.shown(url) .. ": a URL has no spaces and no control characters" })
    end
end

-- A value of curl's configuration file.
local function quoted(text)
    return '"' .. text:gsub('[\\"]', "\\%0"):gsub("\t", "\\t") .. '"'
end

-- curl drops a login behind a redirect to another host, but not other headers.
local function redirects(settings)
    for _, header in ipairs(settings.headers) do
        if not header:lower():find("^authorization:") then
            return 0
        end
    end
    return MOST_REDIRECTS
end

local function curl_config(url, settings)
    local lines = {
        "url = " .. quoted(url), "globoff", "silent", "show-error", "fail", "location",
        'proto = "=http,https"',
        -- From https no redirect leads to http.
        ('proto-redir = "=%s"'):format(urls.scheme(url) == "https" and "https" or "http,https"),
        "max-redirs = " .. redirects(settings), "connect-timeout = " .. CONNECT_S,
        "dump-header = " .. quoted(HEADERS),
    }
    for _, header in ipairs(settings.headers) do
        table.insert(lines, "header = " .. quoted(header))
    end
    if settings.bearer then
        table.insert(lines, "header = " .. quoted("Authorization: Bearer " .. settings.bearer))
    end
    if settings.insecure then
        table.insert(lines, "insecure")
    elseif settings.cacert then
        table.insert(lines, "cacert = " .. quoted(CACERT))
    end
    return table.concat(lines, "\n") .. "\n"
end

--- Whether something that is sent would be seen where it is an argument.
---@param url string
---@param settings jflash.FetchSettings
---@return boolean
function M.has_secrets(url, settings)
    return #settings.headers > 0 or settings.bearer ~= nil or url:find("^[^/]+//[^/?#]*@") ~= nil
end

local function check_wget(url, settings)
    if urls.scheme(url) ~= "http" then
        refuse("the board has no curl, and its wget knows no https")
    elseif M.has_secrets(url, settings) then
        refuse("the board has no curl, and its wget would show what is sent in its process list")
    end
end

--- Brings a text to a file on the board that nobody else there may read: it is there
--- with its mode before anything is in it.
---@param dut jflash.Dut with a shell
---@param text string
---@param path string
local function put_private(dut, text, path)
    dut.shell:run(("rm -f %s && (umask 077; : >%s)"):format(path, path))
    dut.shell:put(dut.http, text, path)
end

M.put_private = put_private

--- Brings to the board whom it shall trust.
---@param dut jflash.Dut with a shell
---@param settings jflash.FetchSettings
---@return string|nil path  of the file there; nil when anybody, or whom it trusts anyway
function M.put_cacert(dut, settings)
    if settings.insecure or not settings.cacert then
        return nil
    end
    dut.shell:run("mkdir -p " .. workers.FOLDER)
    dut.shell:put(dut.http, errors.check("config", sys.read_file(settings.cacert)), CACERT)
    return CACERT
end

-- What the board needs: what is sent stands in a file, and the URL in another.
local function bring(self, settings)
    local dut = self.dut
    local words
    dut.shell:run("mkdir -p " .. workers.FOLDER)
    if self.curl then
        words = "curl -q -K " .. CONFIG
        put_private(dut, curl_config(self.url, settings), CONFIG)
        M.put_cacert(dut, settings)
    else
        check_wget(self.url, settings)
        words = "wget -q -O - -- " .. shells.quote(self.url)
    end
    put_private(dut, ("echo $$ >%s\nexec %s\n"):format(PID, words), SCRIPT)
end

--- Brings to the board what it needs to fetch the URL.
---@param dut jflash.Dut with a shell
---@param url string
---@param settings jflash.FetchSettings
---@return jflash.BoardFetch to be closed: `local fetch <close> = …`
function M.open(dut, url, settings)
    local self = setmetatable({ dut = dut, url = url, command = "sh " .. SCRIPT }, Fetch)
    self.curl = dut.shell:test("command -v curl >/dev/null")
    local ok, failure = xpcall(bring, errors.wrap, self, settings)
    if not ok then
        Fetch.__close(self, failure) -- what was brought already
        error(failure, 0)
    end
    return self
end

--- What stops it from another part of the worker's script.
M.STOP = ('kill "$(cat %s)" 2>/dev/null'):format(PID)

--- The Content-Length of the last answer; nil when that is not known.
---@return integer|nil
function Fetch:length()
    if not self.curl then
        return nil
    end
    local output = self.dut.shell:frame(("sed -n 's/^[Cc]ontent-[Ll]ength: *\\([0-9]*\\).*/\\1/p' %s | tail -n 1")
        :format(HEADERS))
    return math.tointeger(tonumber(output:match("%d+")))
end

------------------------------------------------------------------------------
-- What a failure means

-- curl's exit statuses (its manual page, EXIT CODES).
local PASSING = { [7] = true, [16] = true, [18] = true, [28] = true, [52] = true, [55] = true,
    [56] = true, [92] = true }
local TRUST = { [35] = true, [51] = true, [60] = true, [77] = true, [83] = true, [90] = true, [91] = true }
local REDIRECT, RESOLVE = 47, 6

local function http_status(words)
    return tonumber(words:match("returned error: (%d%d%d)") or words:match("HTTP/%S+ (%d%d%d)"))
end

local function hint_of(self, status, http)
    if http == 401 or http == 403 then
        return "--bearer, --bearer-file and --header say who asks"
    elseif http then
        return "is the URL right? This host asks for it without --dut-fetch"
    elseif self.curl and TRUST[status] then
        return "--cacert names the authorities that the board shall trust; -k trusts anybody"
    elseif self.curl and status == REDIRECT then
        return "headers of one's own follow no redirect: name the last URL, or leave out --dut-fetch"
    end
    return ("has the board's network a way to %s, and a name server? Without --dut-fetch this host fetches")
        :format(urls.shown(self.url):match("^[^/]+//([^/]*)"))
end

-- Whether it can pass by itself.
local function is_passing(self, status, http)
    if http then
        return http >= 500 or http == 429 or http == 408
    end
    return not self.curl or PASSING[status] or status == RESOLVE or false
end

--- Raises what it means that the board could not fetch, class source.
---@param status integer|nil  of the command
---@param words string       what it said
---@param step string        for the message
function Fetch:raise_failed(status, words, step)
    local http = http_status(words)
    self.dut.console:fail({
        class = "source", code = http and "protocol" or "network", at = "shell",
        retry = is_passing(self, status, http) and self.dut.options.retries or 0,
        message = ("%s: the board cannot fetch %s: %s"):format(step, urls.shown(self.url),
            words ~= "" and words or ("status %s"):format(tostring(status))),
        hint = hint_of(self, status, http),
    })
end

--- Removes from the board what it got.
function Fetch:close()
    self.dut.shell:frame(("rm -f %s %s %s %s %s"):format(SCRIPT, CONFIG, CACERT, HEADERS, PID),
        { timeout_s = 5, tries = 2 })
end

function Fetch:__close(failure)
    if workers.is_gone(failure) then
        return
    end
    local caused = scopes.unwind(failure, "remove from the board what it fetched with", function()
        self:close()
    end)
    if caused ~= failure then
        error(caused, 0)
    end
end

return M
