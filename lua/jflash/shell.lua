-- SPDX-License-Identifier: Apache-2.0
--
-- The flasher's shell (a busybox ash, or any POSIX shell with sha256sum). A
-- typed command carries the beginning of its own SHA-256, which the board
-- compares before it runs it: a line that the serial console damaged is never
-- executed, but typed again. Output is framed by markers with a random number,
-- so no wait looks for a bare "#".
--
-- Only short lines are typed. What is longer, and all that writes on storage,
-- goes over as a script by HTTP: Shell:put.

local errors = require("jflash.errors")
local image = require("jflash.image")
local job = require("jflash.job")
local log = require("jflash.log")
local logins = require("jflash.login")
local paces = require("jflash.pace")
local sys = require("jflash.sys")
local words = require("jflash.uboot.words")

local M = {}

-- busybox ash cuts a typed line at 1022 characters.
M.LONGEST_LINE = 900
local CTRL_C = "\3"
local TRIES = 6
-- Seconds until the board must have begun to run a line.
local BEGIN_S = 5
-- Seconds of silence after which Enter is typed again: it may be what was lost.
local ENTER_S = 1
local DIGEST_DIGITS = 12
-- Seconds in which a live shell has answered Ctrl-C, and how often it may fail to.
local CTRL_C_S = 0.3
local SILENT_TRIES = 2
local COMMAND_S = 30
-- Seconds that a script may be on its way.
local PUT_S = 30
-- What a damaged line leads to: the function's answer, or the shell's.
local DAMAGED = "re:(?:![0-9a-f]{0,40}|not found|syntax error[^\\n]*)\\n"
local LOGIN_AGAIN = "re:(?m)^\\S* ?login: "

-- jf NUMBER DIGEST COMMAND: answers "!NUMBER" to a damaged line, else frames the
-- command's output between "<NUMBER" and ">NUMBER STATUS".
local FUNCTION = [[jf(){ case $(printf %s "$1$3"|sha256sum) in "$2"*)echo "<$1";]]
    .. [[eval "$3";echo ">$1 $?";;*)echo "!$1";esac;}]]

---@class jflash.Shell
local Shell = {}
Shell.__index = Shell

---@param console jflash.dut.Console
---@param login table {login_prompt, username?, password?, prompt}
---@param pace jflash.Pace|nil  nil makes a new one
---@return jflash.Shell
function M.new(console, login, pace)
    return setmetatable({
        console = console,
        login_config = login,
        pace = pace or paces.new(),
        command_s = COMMAND_S,
        -- What ash shows when a quote of the line was lost: it waits for the rest.
        unfinished = login.prompt .. " > ",
    }, Shell)
end

--- Quotes a text as one word of a POSIX shell, so that nothing in it is expanded.
---@param text string
---@return string
function M.quote(text)
    return "'" .. text:gsub("'", [['\'']]) .. "'"
end

-- Loading once more helps against damage in memory, and against nothing else.
local function raise_returned(self, match)
    local output = match.before:gsub("^[^\n]*\n", "", 1)
    local status = match.captures[1]:match("%d+")
    local why, before = words.reason(output)
    self.console:fail({
        code = "boot",
        at = "uboot",
        retry = 1,
        message = ("the boot command returned to U-Boot%s: %s"):format(
            status and " with status " .. status or "", before and before .. " / " .. why or why),
        hint = "check spec.bootcmd and the variant's bootcmd in the manifest",
    })
end

--- Logs in and prepares the shell for framed commands.
---@param timeouts {boot_s: number, login_s: number, command_s: number|nil}  until the login prompt; from there on
---@param returned string|nil pattern that shows that the boot command came back
function Shell:login(timeouts, returned)
    local login = self.login_config
    self.command_s = timeouts.command_s or self.command_s
    local patterns = { login.login_prompt, returned }
    local match = self.console:expect(patterns, {
        timeout_s = timeouts.boot_s,
        hint = "the flasher system did not come up: check the console's last lines, bootcmd, "
            .. "and that kernel, initramfs and device tree belong together",
    })
    if match.index == 2 then
        raise_returned(self, match)
    end
    logins.enter(self.console, login, self.pace, timeouts.login_s)
    self:settle()
end

-- Throws away a half-typed line, whatever state its quotes are in. Returns whether
-- the board said anything to that.
local function clear_line(self)
    self.console:discard()
    self.console:send(CTRL_C)
    self.console:watch(CTRL_C_S)
    local answered = self.console:pending() ~= ""
    self.console:discard()
    return answered
end

-- Until it is off, the shell's own echo shows whether the line arrived whole. The
-- line is short: ash wraps its echo at 80 columns. "dmesg -n 1" keeps kernel
-- messages out of what commands print.
local function silence(self)
    local nonce = sys.random_hex(3)
    local line = ("stty -echo cols 4000; dmesg -n 1; echo =''%s "):format(nonce)
    for _ = 1, TRIES do
        self.console:send(line, { cps = self.pace:cps() })
        if self.console:try_expect(line, { timeout_s = 2 }) then
            self.console:send("\n")
            if self.console:try_expect("=" .. nonce, { timeout_s = BEGIN_S }) then
                self.pace:intact()
                return
            end
        end
        self.pace:damaged()
        clear_line(self)
    end
    self.console:fail({ code = "protocol", message = "the flasher's shell does not answer",
        hint = "is login.prompt right? A damaged line points at console.cps" })
end

-- Types a command once. Returns its number when the board has begun to run it; nil
-- when it arrived damaged, or not at all.
local function begin(self, command)
    local nonce = sys.random_hex(4)
    local digest = image.sha256(nonce .. command):sub(1, DIGEST_DIGITS)
    self.console:send(("jf %s %s %s\n"):format(nonce, digest, M.quote(command)),
        { cps = self.pace:cps() })
    local patterns = { "<" .. nonce .. "\n", LOGIN_AGAIN, DAMAGED, self.unfinished }
    local match = self.console:try_expect(patterns, { timeout_s = ENTER_S })
    if not match then
        self.console:send("\n")
        match = self.console:try_expect(patterns, { timeout_s = BEGIN_S - ENTER_S })
    end
    if match and match.index == 1 then
        self.pace:intact()
        return nonce
    end
    if match and match.index == 2 then
        self.console:fail({ code = "shell", message = "the flasher's shell has ended: it asks for a login again" })
    end
    self.pace:damaged()
    return nil
end

-- A board that does not even answer Ctrl-C is not asked for ever.
local function check_alive(self, answered)
    self.silent_tries = answered and 0 or (self.silent_tries or 0) + 1
    if self.silent_tries >= SILENT_TRIES then
        self.silent_tries = 0
        self.console:fail({ code = "silent",
            message = self.console.name .. ": the flasher's shell does not answer any more",
            hint = "did its kernel hang, or is the console's cable out?" })
    end
end

local function start(self, command, tries)
    for attempt = 1, tries do
        local nonce = begin(self, command)
        if nonce then
            return nonce
        end
        check_alive(self, clear_line(self))
        log.warn("line to the shell was damaged or lost (try %d), typing it again slower", attempt)
    end
    self.console:fail({
        code = "protocol",
        message = ("%s: the shell did not take a line in %d tries"):format(
            self.console.name, tries),
        hint = "does the flasher still run? Set console.cps if the line loses characters",
    })
end

-- Waits for the end of a command that has begun. `on_text` gets its output line by
-- line; then there is none to return.
local function finish(self, nonce, command, timeout_s, on_text)
    local deadline = job.now() + (timeout_s or self.command_s)
    local reopened = self.console.reopened
    -- Where both end at the same character, the longer one matches.
    local patterns = { "re:>" .. nonce .. " (\\d+)\n", on_text and "\n" or nil }
    while true do
        -- Inside the frame the command may print what it likes: no failure patterns.
        local match, message, code = self.console:try_expect(patterns, {
            timeout_s = math.max(deadline - job.now(), 0), fail = {} })
        if not match then
            clear_line(self)
            self.console:fail({ code = code, message = ("shell: %s: %s"):format(command, message) })
        elseif match.index == 1 then
            if not on_text then
                self.console:check_whole(reopened, "a command")
            end
            if on_text and match.before ~= "" then
                on_text(match.before)
            end
            return on_text and "" or match.before, math.tointeger(tonumber(match.captures[1]))
        end
        on_text(match.before .. "\n")
    end
end

local function define_function(self)
    for _ = 1, TRIES do
        self.console:send(FUNCTION .. "\n", { cps = self.pace:cps() })
        local nonce = begin(self, "true")
        if nonce then
            finish(self, nonce, "true")
            return
        end
        check_alive(self, clear_line(self))
    end
    self.console:fail({ code = "protocol",
        message = "the flasher's shell does not take the framing function",
        hint = "it needs a POSIX shell with printf and sha256sum" })
end

--- Brings a shell that has just shown its prompt to where framed commands work.
function Shell:settle()
    self.console:phase("shell")
    silence(self)
    define_function(self)
end

--- Runs a command; returns its output and exit status.
---@param command string one line, at most about 800 characters
---@param options {timeout_s: number|nil, tries: integer|nil, on_text: nil|fun(text: string)}|nil
---  on_text gets the output as it comes; what is returned is then empty
---@return string output
---@return integer status
function Shell:frame(command, options)
    options = options or {}
    if #M.quote(command) > M.LONGEST_LINE or command:find("\n") then
        errors.raise({ class = "config", code = "limit",
            message = ("command of %d characters is too long to be typed"):format(#command),
            hint = "send it with shell:put" })
    end
    local nonce = start(self, command, options.tries or TRIES)
    return finish(self, nonce, command, options.timeout_s, options.on_text)
end

local function last_line(output)
    local last
    for line in output:gmatch("[^\n]+") do
        last = line
    end
    return last or "no output"
end

--- Runs a command and raises, class board, when its status is not 0.
---@param command string
---@param options {timeout_s: number|nil, hint: string|nil, retry: integer|nil}|nil
---@return string output
---@return integer status
function Shell:run(command, options)
    local output, status = self:frame(command, options)
    if status ~= 0 then
        self.console:fail({
            code = "status",
            at = "shell",
            retry = options and options.retry,
            message = ("shell: %s: status %d: %s"):format(command, status, last_line(output)),
            hint = options and options.hint,
        })
    end
    return output, status
end

--- Whether a command ends with status 0.
---@param command string
---@return boolean
function Shell:test(command)
    local _, status = self:frame(command)
    return status == 0
end

-- The command that fetches a URL to standard output, by what the board has.
local function fetcher(self)
    if not self.fetch_command then
        local has_curl = self:test("command -v curl >/dev/null")
        self.fetch_command = has_curl and "curl -fsS" or "wget -q -O -"
    end
    return self.fetch_command
end

--- The words that fetch `url` to standard output.
---@param url string
---@return string
function Shell:fetch(url)
    return fetcher(self) .. " " .. M.quote(url)
end

-- What sends the file $1 to the URL $2, first choice first. nc gets the request
-- typed; where it lets a program have the connection, that program sends in larger
-- pieces (over a virtual board's network three times as fast). Not wget: busybox's
-- --post-file ends at the first zero byte.
local REQUEST = [[printf "PUT /%s HTTP/1.0\r\nContent-Length: %d\r\n\r\n" "$1" "$(wc -c <"$0")"; cat "$0"]]
local PARTS = [[u=${2#http://}; a=${u%%/*}; ]]
local SENDERS = {
    { test = "command -v curl >/dev/null", command = [[curl -fsS -o /dev/null -T "$1" "$2"]] },
    { test = "command -v nc >/dev/null && nc --help 2>&1 | grep -q -e '-e PROG'",
        command = PARTS .. [[nc "${a%:*}" "${a#*:}" -e sh -c ']] .. REQUEST
            .. [[; read -r v s r; [ "$s" = 201 ]' "$1" "${u#*/}"]] },
    { test = "command -v nc >/dev/null",
        command = PARTS .. "sh -c '" .. REQUEST .. [[' "$1" "${u#*/}" | nc "${a%:*}" "${a#*:}" | ]]
            .. [[grep -q '^HTTP/1.[01] 201']] },
}

--- The words that send the file $1 to the URL $2, with a status that can be believed.
---@return string
function Shell:sender()
    for _, sender in ipairs(SENDERS) do
        if self:test(sender.test) then
            return sender.command
        end
    end
    return self.console:fail({
        code = "unsupported", retry = 0, at = "shell",
        message = "the flasher cannot send a file: it has neither curl nor nc",
    })
end

-- Brings a content to a file on the board and proves its digest there.
local function put(self, http, content, path, timeout_s)
    local served <close> = http:offer("file-" .. sys.random_hex(4), content)
    local fetched = ("%s > %s"):format(self:fetch(served.url), path)
    local _, status = self:frame(fetched, { timeout_s = timeout_s })
    if status ~= 0 then
        self.console:fail({
            code = "network",
            at = "shell",
            message = ("the board could not fetch %s from %s (status %d); %s"):format(
                path, http.base, status, http:arrival(served.name)),
            hint = "is this host reachable from the flasher: firewall, route, VLAN?",
        })
    end
    local output = self:run("sha256sum " .. path)
    local got = output:match("%x+")
    if got ~= content.sha256 then
        self.console:fail({ code = "checksum", at = "shell",
            message = ("%s on the board has digest %s, sent was %s"):format(path, got, content.sha256) })
    end
end

--- Brings a text to a file on the board and proves its digest there.
---@param http jflash.dut.Http  see dut/servers.lua
---@param text string
---@param path string
function Shell:put(http, text, path)
    put(self, http, { bytes = text, sha256 = image.sha256(text) }, path, PUT_S)
end

--- Brings a file of this host to the board and proves its digest there.
---@param http jflash.dut.Http
---@param file {path: string, sha256: string}
---@param path string
---@param timeout_s number
function Shell:put_file(http, file, path, timeout_s)
    put(self, http, { file = file.path, sha256 = file.sha256 }, path, timeout_s)
end

return M
