-- SPDX-License-Identifier: Apache-2.0
--
-- What must hold after a run on a bench of tests/e2e/support.lua.
local board_lock = require("jflash.board_lock")
local files = require("tests.support.files")

local read, shell = files.read, files.shell

---@class e2e.Bench
local Bench = {}

function Bench:tty_settings()
    return shell(("[ ! -e '%s' ] || stty -g -F '%s'"):format(self.board.console, self.board.console))
end

-- Whether the run's lock can be taken.
local function assert_lock_free(self)
    local power = { identity = "command " .. self.config.power.on }
    board_lock.take(setmetatable({ name = "sim" }, { __index = self.config }), power):close()
end

-- The ports that the board was served from, as the kernel's tables write them.
local function served_ports(board)
    local ports = {}
    for _, entry in ipairs(board:log("connect")) do
        ports[("/proc/net/tcp :%04X 00000000:0000 0A"):format(entry.port)] = true
    end
    for _, line in ipairs(board:texts("uboot")) do
        local port = line:match("^setenv tftpdstp (%d+)")
        if port then
            ports[("/proc/net/udp :%04X 00000000:0000 07"):format(port)] = true
        end
    end
    return ports
end

local function assert_ports_free(board)
    for entry in pairs(served_ports(board)) do
        local path, row = entry:match("^(%S+) (.*)$")
        assert(not read(path):find(row, 1, true), "a port is left open: " .. entry)
    end
end

--- Raises when a run left anything behind.
function Bench:assert_nothing_left()
    assert_ports_free(self.board)
    local left = self:processes()
    if left ~= "" then
        local commands = shell(("for f in %s; do tr '\\0' ' ' <${f%%environ}cmdline; done"):format(
            left:gsub("\n", " ")))
        error("processes are left: " .. commands, 2)
    end
    assert_lock_free(self)
    local now = self:tty_settings()
    if now ~= "" and self.tty ~= "" and now ~= self.tty then
        error(("the console's settings changed:\n%s%s"):format(self.tty, now), 2)
    end
end

--- What the storage holds: "flashed" (the image, and behind it what was there
--- before), "untouched", or "something else".
---@param content string|nil
function Bench:storage_state(content)
    content = content or self.content
    local now = read(self.board.storage)
    if now == self.before then
        return "untouched"
    elseif now == content .. self.before:sub(#content + 1) then
        return "flashed"
    end
    return "something else"
end

local function fail(result, message, ...)
    error(("%s\n-- status %s, stderr:\n%s"):format(message:format(...), result.status, result.stderr), 4)
end

local function assert_says(result, texts, text_in, what)
    for _, text in ipairs(type(texts) == "table" and texts or { texts }) do
        if not text_in:find(text, 1, true) then
            fail(result, "%s does not say %q", what, text)
        end
    end
end

-- The error as a person reads it.
local function parse_failure(stderr)
    local title, message = stderr:match("\njflash: ([%l ]+): ([^\n]*)")
    if not title then
        title, message = stderr:match("\njflash: ([%l ]+ in step [%l_]+): ([^\n]*)")
    end
    local step = title and title:match(" in step ([%l_]+)$")
    return {
        title = title and title:gsub(" in step [%l_]+$", ""), step = step, message = message or "",
        console = stderr:match("the console's last lines:\n(.-)\n  %l") or stderr:match(
            "the console's last lines:\n(.*)") or "",
        hint = stderr:match("\n  hint: (.*)") or "",
    }
end

local TITLES = {
    [1] = "error", [2] = "configuration error", [3] = "the source cannot be had",
    [4] = "error on this host", [5] = "the board failed", [6] = "the image is refused",
    [129] = "cancelled", [130] = "cancelled", [143] = "cancelled",
}

--- Compares a result with what is expected:
---   status   the exit status; the error's title follows from it
---   step     the step named in the error
---   says     texts of stderr;  message, console, hint: of these parts of the error
---   silent   the board said nothing, so there is nothing to show
---   never    texts that stderr must not have
---   power    the board's state afterwards ("off"), false: do not look
---   cycles   how often the board was switched on
---   storage  see storage_state
---@param result table
---@param wanted table
---@return table failure  the error's parts
function Bench:assert_result(result, wanted)
    local failure = parse_failure("\n" .. result.stderr)
    if result.status ~= wanted.status or result.signal then
        fail(result, "status %s expected (signal %s)", wanted.status, tostring(result.signal))
    end
    if TITLES[wanted.status] ~= failure.title then
        fail(result, "title %q expected, got %q", tostring(TITLES[wanted.status]), tostring(failure.title))
    end
    if wanted.step and failure.step ~= wanted.step then
        fail(result, "step %s expected, got %s", wanted.step, tostring(failure.step))
    end
    if wanted.status == 5 and failure.console == "" and not wanted.silent then
        fail(result, "the error shows nothing of the console")
    end
    assert_says(result, wanted.says or {}, result.stderr, "stderr")
    for _, part in ipairs({ "message", "console", "hint" }) do
        assert_says(result, wanted[part] or {}, failure[part], "the error's " .. part)
    end
    for _, text in ipairs(wanted.never or {}) do
        if result.stderr:find(text, 1, true) then
            fail(result, "stderr says %q", text)
        end
    end
    if wanted.status ~= 0 and result.stderr:find("flashed and verified", 1, true) then
        fail(result, "a run that failed claims to have flashed")
    end
    self:assert_board(result, wanted)
    self:assert_nothing_left()
    return failure
end

function Bench:assert_board(result, wanted)
    if wanted.power ~= false and self.board:state() ~= (wanted.power or "off") then
        fail(result, "power is %s", self.board:state())
    end
    local cycles = 0
    for _, text in ipairs(self.board:texts("power")) do
        cycles = cycles + (text == "on" and 1 or 0)
    end
    if wanted.cycles and cycles ~= wanted.cycles then
        fail(result, "switched on %d times, not %d", cycles, wanted.cycles)
    end
    local state = wanted.storage and self:storage_state()
    if wanted.storage and state ~= wanted.storage then
        fail(result, "the storage is %s, not %s", state, wanted.storage)
    end
end

return Bench
